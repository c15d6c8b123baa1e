"""Traces: which cells stand for a fit group, what is said about groups, and the traces of a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calcigraph.models import evaluate
from calcigraph.pictures import groups, style, traces
from calcigraph.pictures.data import PictureData
from calcigraph.store.types import FloatArray

Lines = Callable[[Axes], dict[str, FloatArray]]


def test_representatives_are_best_median_and_worst_of_each_group(culture: PictureData) -> None:
    mse, groups = culture.values("mse_train"), np.array(culture.groups())
    chosen = traces.representatives(culture)
    assert [group for group, _ in chosen] == ["good", "misses peaks", "wrong magnitude"]
    for group, picked in chosen:
        members = np.sort(mse[(groups == group) & np.isfinite(mse)])
        assert [word for word, _ in picked] == ["best", "median", "worst"]
        assert [mse[row] for _, row in picked] == [members[0], members[len(members) // 2], members[-1]]


def test_small_groups_show_every_cell_once() -> None:
    rows = np.array([4, 9])
    mse = np.arange(10.0)[::-1]
    assert traces._pick(rows, mse) == [("best", 9), ("worst", 4)]
    assert traces._pick(rows[:1], mse) == [("", 4)]


def test_the_groups_are_explained_with_the_limits_the_models_use() -> None:
    found, magnitude = f"{evaluate.PEAKS_FOUND:.0%}", f"{evaluate.MAGNITUDE:.0%}"
    said = groups.MEANINGS[0].replace(" %", "%")
    assert said == f"{evaluate.GOOD}: {found} of peaks found and median within {magnitude}"
    assert [text.split(":")[0] for text in groups.MEANINGS] == list(groups.GROUPS)


def test_traces_explain_the_groups_and_write_errors_alike(
    culture: PictureData,
    figure_of: Callable[..., Figure],
    sorts: dict[str, PictureData],
    texts: Callable[[Figure], set[str]],
) -> None:
    said = texts(figure_of("traces", culture))
    assert "; ".join(groups.MEANINGS) in said
    assert "good: " not in " ".join(texts(figure_of("traces", sorts["ungrouped"])))
    errors = [text.split("MSE ")[1] for text in said if "MSE " in text]
    assert len(errors) == 9
    assert all("×10" in text for text in errors)
    assert [style.scientific(value) for value in (0.00996, 0.0)] == ["$1×10^{-2}$", "0"]


def test_a_networks_own_traces_stand_beside_its_free_run(
    culture: PictureData,
    figure_of: Callable[..., Figure],
    lines: Lines,
    texts: Callable[[Figure], set[str]],
    trained: Callable[..., PictureData],
) -> None:
    data = trained(culture)
    label = next(iter(data.network))
    upper, lower = figure_of("traces", data, cell=label).axes
    observed = data.subgraph.intensity[data.row(label)]
    np.testing.assert_array_equal(lower.lines[-1].get_ydata(), observed - data.network[label])
    np.testing.assert_array_equal(lines(upper)["network"], data.network[label])
    np.testing.assert_array_equal(lines(upper)["free run"], data.traces[label])
    assert "network" in texts(figure_of("traces", data))
    assert not {"network", "free run"} & texts(figure_of("traces", culture))
