"""A comparison as a strip plot: every culture a dot, means and intervals as they are, the p of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from legible import assert_legible
from matplotlib.figure import Figure
from matplotlib.image import imread
from scipy import stats

from calcigraph.errors import InputError
from calcigraph.pictures import strips, style

Texts = Callable[[Figure], set[str]]


def row(
    name: str,
    a: tuple[str, Sequence[float | None]],
    b: tuple[str, Sequence[float | None]],
    p: float | None = 0.012,
    days: tuple[str | None, ...] = ("mon", "tue", "wed", "thu"),
) -> dict[str, Any]:
    """A row of a comparison, with the columns that the plot takes."""
    return {
        "parameter": name, "group_a": a[0], "group_b": b[0], "p": p, "values_a": list(a[1]), "values_b": list(b[1]),
        "experiments_a": list(days[: len(a[1])]), "experiments_b": list(days[: len(b[1])]),
    }  # fmt: skip


ROWS = [
    row("k", ("control", [0.01, 0.02, 0.04]), ("drug", [0.002, 0.004, 0.008])),
    row("synchrony", ("control", [0.1, 0.2, 0.3]), ("drug", [0.0, 0.1, None]), p=None),
]


def figure_of(rows: list[dict[str, Any]], width: float | None = None, paired: bool = False) -> Figure:
    with style.journal_style(width):
        figure = strips.strip_figure(strips.strips_of(rows), paired)
        figure.canvas.draw()
    return figure


def test_every_culture_is_a_dot_and_groups_have_means_with_students_intervals(texts: Texts) -> None:
    figure = figure_of(ROWS)
    k, synchrony = figure.axes
    assert k.get_yscale() == "log"
    dots = [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in k.lines if line.get_marker() != "None"]
    assert sorted(y for _, y in dots) == pytest.approx([0.002, 0.004, 0.008, 0.01, 0.02, 0.04])
    assert all(abs(x - (y > 0.009) * 0 - (y < 0.009)) < 0.2 for x, y in dots)
    lines = [line.get_ydata() for line in k.lines if line.get_marker() == "None"]
    logs = np.log([0.01, 0.02, 0.04])
    ends = np.exp(stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs)))
    assert lines[0] == pytest.approx([0.02, 0.02])
    assert lines[1] == pytest.approx(ends)
    # Two cultures have a median and no interval; what is absent is no dot.
    bars = [line for line in synchrony.lines if line.get_marker() == "None"]
    assert [len(np.unique(bar.get_ydata())) for bar in bars] == [1, 2, 1]
    assert bars[-1].get_ydata() == pytest.approx([0.05, 0.05])
    assert {"p 0.012", "not tested", "coupling $k$ (s$^{-1}$)", "mon", "wed"} <= texts(figure)
    assert [label.get_text() for label in k.get_xticklabels()] == ["control", "drug"]


def test_the_reference_stands_first_and_each_pair_has_its_p(texts: Texts) -> None:
    names = {"b": [3.0], "a": [1.0], "c": [2.0]}
    rows = [row("dF/F0", ("b", names["b"]), (other, names[other]), p=p) for other, p in (("a", 0.03), ("c", 0.5))]
    figure = figure_of(rows)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["b", "a", "c"]
    assert {"b, a: p 0.03", "b, c: p 0.5"} <= texts(figure)
    many = [
        row("dF/F0", (a, [1.0]), (b, [2.0]), p=0.1 * at + 0.05) for at, (a, b) in enumerate(combinations("abcd", 2))
    ]
    assert "least p 0.05: a, b" in texts(figure_of(many))


def test_what_cannot_be_below_0_has_no_axis_below_it() -> None:
    rows = [row("wave rate (1/h)", ("a", [0.0, 0.0, 1.0]), ("b", [0.0, 2.0, 9.0]), p=None)]
    rows += [row("feed / gain", ("a", [-1.0, 1.0, 2.0]), ("b", [0.0, 2.0, 9.0]), p=None)]
    rate, feed = figure_of(rows).axes
    assert -0.1 * rate.get_ylim()[1] < rate.get_ylim()[0] < 0
    assert feed.get_ylim()[0] < -3


def test_experiments_as_replicates_are_lines_and_have_no_interval_over_cultures() -> None:
    days = ("mon", "mon", "tue", "tue")
    rows = [row("k", ("control", [1.0, 3.0, 4.0, 6.0]), ("drug", [1.0, 1.0, 2.0, 2.0]), days=days)]
    (axes,) = figure_of(rows, paired=True).axes
    lines = [list(line.get_ydata()) for line in axes.lines if line.get_marker() == "None"]
    assert lines[:2] == [[2.0, 1.0], [5.0, 2.0]]
    assert not [line for line in axes.lines if list(line.get_xdata()) == pytest.approx([0.32, 0.32])]


@pytest.mark.parametrize("width", [None, 3.5, 80 / 25.4])
@pytest.mark.parametrize("groups", [["control", "drug"], ["vehicle (DMSO)", "a rather long name $x$", "c", "d", "e"]])
def test_text_is_whole_and_apart(groups: list[str], width: float | None) -> None:
    rng = np.random.default_rng(1)
    names = ("k", "k_cell", "feed / gain", "synchrony", "mse_train", "event rate (1/h)", "wave speed (µm/s)")
    rows = [
        row(name, (a, rng.lognormal(-4, 0.5, 4).tolist()), (b, rng.lognormal(-4, 0.5, 4).tolist()))
        for name in names
        for a, b in combinations(groups, 2)
    ]
    figure = figure_of(rows, width)
    assert_legible(figure)


def test_a_file_is_written_or_a_line_says_why_not(tmp_path: Path) -> None:
    frame = pandas.DataFrame(ROWS)
    path = strips.draw_comparison(frame, tmp_path / "a.png", dpi=100, width="single")
    assert imread(path).shape[1] == 350
    with pytest.raises(InputError, match="no culture has a value to draw"):
        strips.draw_comparison(frame.iloc[:0], tmp_path / "b.png")
    with pytest.raises(InputError, match=r"\.png, \.pdf or \.svg"):
        strips.draw_comparison(frame, tmp_path / "b.doc")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
