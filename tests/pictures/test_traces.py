"""Traces: which cells stand for a fit group, what is said about groups, and the traces of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from calcigraph.errors import InputError
from calcigraph.models import evaluate
from calcigraph.pictures import cell_pages, groups, style, traces
from calcigraph.pictures.data import PictureData, Sourced
from calcigraph.pictures.render import draw
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
    assert cell_pages.pick(rows, mse) == [("best", 9), ("worst", 4)]
    assert cell_pages.pick(rows[:1], mse) == [("", 4)]


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
    factor = 10.0 if "10^{-1}" in lower.get_ylabel() else 1.0
    np.testing.assert_allclose(lower.lines[-1].get_ydata(), factor * (observed - data.network[label]))
    np.testing.assert_array_equal(lines(upper)["network"], data.network[label])
    np.testing.assert_array_equal(lines(upper)["free run"], data.traces[label])
    assert "network" in texts(figure_of("traces", data))
    assert not {"network", "free run"} & texts(figure_of("traces", culture))


@pytest.fixture
def sourced(culture: PictureData) -> PictureData:
    """The same culture fitted by robust, with a run that is off by 0.002 and 0.003, sources and flows."""
    rng = np.random.default_rng(3)
    cells = {name.replace("crlsm", "robust"): column for name, column in culture.cells.items()}
    found = {
        label: Sourced(
            run=culture.subgraph.intensity[culture.row(label)] + 0.002 + 0.001 * (label % 2),
            inflow=2e-4 * rng.standard_normal(90),
            own=np.where(rng.random(90) < 0.1, 3e-3, 0.0),
        )
        for label in culture.traces
    }
    return replace(culture, model="robust", cells=cells, sourced=found)


def test_a_cells_page_has_the_run_with_sources_the_free_run_the_residual_and_the_flows(
    sourced: PictureData, figure_of: Callable[..., Figure], lines: Lines, texts: Callable[[Figure], set[str]]
) -> None:
    label = next(iter(sourced.sourced))
    found, observed = sourced.sourced[label], sourced.subgraph.intensity[sourced.row(label)]
    figure = figure_of("traces", sourced, cell=label)
    trace, residual, flow = figure.axes
    np.testing.assert_array_equal(lines(trace)["run with own sources"], found.run)
    np.testing.assert_array_equal(lines(trace)["free run"], sourced.traces[label])
    np.testing.assert_array_equal(lines(trace)["observed"], observed)
    np.testing.assert_allclose(residual.lines[1].get_ydata(), 1e3 * (observed - found.run))
    assert residual.get_ylabel() == "residual\n($10^{-3}$)"
    assert flow.get_ylabel() == "gain\n($10^{-3}$ s$^{-1}$)"
    own, inflow = (np.abs(np.diff(_heights(area))).sum() for area in flow.collections)
    assert own == pytest.approx(1e3 * np.abs(found.own).sum())
    assert inflow == pytest.approx(1e3 * np.abs(found.inflow).sum())
    assert {"from neighbours", "own sources", "run with own sources", "free run"} <= texts(figure)


def _heights(area: PolyCollection) -> FloatArray:
    """(T - 1, 2), the ends of an area at each time."""
    points = area.get_paths()[0].vertices
    times = np.unique(points[:, 0])
    return np.array([[at[:, 1].min(), at[:, 1].max()] for at in (points[points[:, 0] == each] for each in times)])


def test_several_cells_stand_side_by_side_on_one_scale(
    sourced: PictureData, figure_of: Callable[..., Figure], texts: Callable[[Figure], set[str]], tmp_path: Path
) -> None:
    inner, border = list(sourced.sourced)[:4], int(sourced.subgraph.labels[sourced.subgraph.border][0])
    with style.journal_style():
        figure = traces.draw_traces(sourced, 0, (border, *inner))
    upper = figure.axes[:3]
    assert len({axes.get_ylim() for axes in upper}) == 1
    said = texts(figure)
    assert {f"cell {border}, border:", "neighbours"} <= said
    assert all(any(text.startswith(f"cell {label}, ") for text in said) for label in inner)
    with pytest.raises(InputError, match="13 cells were asked for; one page has room for 12"):
        draw("traces", sourced, tmp_path / "a.png", cell=list(sourced.sourced)[:13])
    assert not list(tmp_path.iterdir())


def test_without_cells_the_best_the_median_and_the_worst_are_shown(
    sourced: PictureData, figure_of: Callable[..., Figure], texts: Callable[[Figure], set[str]]
) -> None:
    figure = figure_of("traces", sourced)
    assert len(figure.axes) == 9
    said = " ".join(texts(figure))
    assert all(f", {word}, error " in said for word in ("best", "median", "worst"))
    assert "misses peaks" not in said
