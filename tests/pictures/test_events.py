"""Pictures of events and waves: every event has its bar and colour, every wave its times, arrows, start and speed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver

from calcigraph.errors import InputError, NotFoundError
from calcigraph.pictures import firing as words
from calcigraph.pictures import raster, wave_maps
from calcigraph.pictures.data import Firing, PictureData
from calcigraph.pictures.render import draw
from calcigraph.store.event_types import Links, Wave

Texts = Callable[[Figure], set[str]]


def bars(figure: Figure) -> list[tuple[float, float, float, str]]:
    """(row, onset, end, colour) of each bar of a raster, times in the unit of the axis."""
    (lines,) = (each for each in figure.axes[0].collections if isinstance(each, LineCollection))
    return [
        (segment[0, 1], segment[0, 0], segment[1, 0], to_hex(colour))
        for segment, colour in zip(lines.get_segments(), lines.get_colors(), strict=True)
    ]


def waves_again(data: PictureData, times: int) -> PictureData:
    """The same culture whose wave is stored so many times, each later and smaller by a cell."""
    run = data.firing
    assert run is not None
    wave = run.waves[0]
    waves = tuple(replace(wave, events=wave.events[: len(wave.events) - n], onset_s=200.0 + n) for n in range(times))
    return replace(data, firing=replace(run, waves=waves))


def test_each_event_is_a_bar_in_the_colour_of_its_wave(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    run = culture.firing
    assert run is not None
    drawn = bars(figure_of("events", culture))
    rows = raster.order_cells(culture, run).rank
    wave = words.wave_of_event(run)
    colours = {-1: words.ALONE, 0: words.COLOURS[0], 1: "#222222"}
    expected = [
        (rows[label - 1], onset / 60, end / 60, colours[place])
        for label, onset, end, place in zip(run.events.label, run.events.onset_s, run.events.end_s, wave, strict=True)
    ]
    assert len(drawn) == 81
    for one, other in zip(sorted(drawn), sorted(expected), strict=True):
        assert one[:3] == pytest.approx(other[:3])
        assert one[3] == other[3]


def test_cells_are_ordered_along_the_largest_wave(culture: PictureData, firing: Callable[..., Firing]) -> None:
    graph, run = culture.subgraph, firing(culture.subgraph)
    far = np.hypot(graph.x_px - graph.x_px[0], graph.y_px - graph.y_px[0])
    rows = raster.order_cells(culture, run)
    assert rows.rank.tolist() == np.argsort(np.argsort(far)).tolist()
    assert rows.position == pytest.approx(0.65 * far)
    assert rows.label == "from the start of wave 1 (µm)"
    down = replace(run, waves=(replace(run.waves[0], direction_deg=90.0, radial=False),))
    rows = raster.order_cells(replace(culture, pixel_size_um=None), down)
    assert rows.rank.tolist() == np.argsort(np.argsort(graph.y_px)).tolist()
    assert rows.label == "position along wave 1 (px)"
    assert rows.position.min() == 0
    wide = replace(culture, subgraph=replace(graph, x_px=10 * graph.x_px))
    rows = raster.order_cells(wide, replace(run, waves=run.waves[1:]))
    assert np.corrcoef(rows.position, graph.x_px)[0, 1] > 0.99
    assert rows.label == "position along the tissue (µm)"


def test_the_rate_counts_every_event(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    """81 events of 40 cells in 900 s are 8.1 an hour and cell on average over the bins."""
    rate = figure_of("events", culture).axes[2]
    tops = np.max([patch.get_data().values for patch in rate.patches], axis=0)
    assert len(tops) == 90
    assert tops.mean() == pytest.approx(81 / 40 / 0.25)


def test_the_raster_says_what_it_shows(culture: PictureData, figure_of: Callable[..., Figure], texts: Texts) -> None:
    said = texts(figure_of("events", culture))
    assert "dish, 81 events in 40 of 40 cells, 1 wave, 1 flash" in said
    assert {"in no wave (1)", "in a wave, a colour each (40)", "in a flash (40)", "1", "2", "time (min)"} <= said
    assert "cell 9" in texts(figure_of("events", culture, cell=9))


def test_few_cells_carry_their_labels(sorts: dict[str, PictureData], figure_of: Callable[..., Figure]) -> None:
    axes = figure_of("events", sorts["four cells"]).axes[0]
    assert sorted(label.get_text() for label in axes.get_yticklabels()) == ["1", "2", "3", "4"]


def test_a_map_has_the_time_of_every_cell(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    run, graph = culture.firing, culture.subgraph
    assert run is not None
    since = wave_maps.risen(culture, run, run.waves[0])
    assert since == pytest.approx(np.hypot(graph.x_px - graph.x_px[0], graph.y_px - graph.y_px[0]) / 3)
    part = replace(run.waves[0], events=run.waves[0].events[:5])
    assert np.isfinite(wave_maps.risen(culture, run, part)).sum() == 5
    cells = [each for each in figure_of("waves", culture).axes[0].collections if isinstance(each, PathCollection)]
    assert np.sort(np.asarray(cells[0].get_array())) == pytest.approx(np.sort(since))


def test_arrows_point_to_the_later_cell(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    run, graph = culture.firing, culture.subgraph
    assert run is not None
    arrows = wave_maps.links_of(culture, run, run.waves[0])
    assert len(arrows.x) == len(graph.pairs)
    starts, ends = (
        np.hypot(arrows.x + part * arrows.across - graph.x_px[0], arrows.y + part * arrows.down - graph.y_px[0])
        for part in (-1 / 3, 4 / 3)
    )
    assert (ends > starts).all()
    tie = replace(run, links=Links(**vars(run.links) | {"tie": np.ones(len(graph.pairs), dtype=bool)}))
    assert len(wave_maps.links_of(culture, tie, run.waves[0]).x) == 0
    (drawn,) = (each for each in figure_of("waves", culture).axes[0].collections if isinstance(each, Quiver))
    assert len(drawn.U) == len(graph.pairs)


def test_many_arrows_become_the_mean_of_each_square() -> None:
    x = np.array([0.0, 1.0, 20.0, 21.0])
    found = wave_maps.averaged(wave_maps.Arrows(x, np.ones(4), np.array([1.0, 2.0, 1.0, -1.0]), np.zeros(4)), 10.0)
    assert found.across.tolist() == [8.0, 0.0]
    assert (found.x + found.across / 2).tolist() == [1.25, 20.5]


@pytest.mark.parametrize(
    ("ends", "pixel", "says"),
    [
        ((2.7, 3.3), 0.65, "1.95 µm/s (1.76 to 2.15)"),
        ((2.7, 3.3), None, "3.00 px/s (2.70 to 3.30)"),
        ((None, 3.3), None, "3 px/s (3.3 or less)"),
        ((None, None), None, "3 px/s"),
    ],
)
def test_speed_has_its_interval_and_unit(
    ends: tuple[float | None, float | None], pixel: float | None, says: str, culture: PictureData
) -> None:
    assert culture.firing is not None
    wave: Wave = replace(culture.firing.waves[0], speed_low_px_s=ends[0], speed_high_px_s=ends[1])
    assert words.speed_text(wave, pixel) == says
    assert words.speed_text(replace(wave, speed_px_s=None), pixel) == "no speed"


def test_a_page_shows_the_largest_waves(culture: PictureData, figure_of: Callable[..., Figure], texts: Texts) -> None:
    said = texts(figure_of("waves", culture))
    assert {"dish, 1 wave", "wave 1: 40 cells, $p$ = 0.005", "at 3.33 min, 1.95 µm/s (1.76 to 2.15)", "start"} <= said
    many = waves_again(culture, 9)
    said = texts(figure_of("waves", many))
    assert "dish, the 6 largest of 9 waves" in said
    assert {f"wave {number}: {41 - number} cells, $p$ = 0.005" for number in range(1, 7)} <= said
    alone = texts(figure_of("waves", replace(many, wave=8)))
    assert {"dish, 1 of 9 waves", "wave 8: 33 cells, $p$ = 0.005"} <= alone
    assert not any(text.startswith("wave 1:") for text in alone)


@pytest.mark.parametrize("kind", ["events", "waves"])
def test_without_a_detection_the_command_is_named(tmp_path: Path, kind: str, culture: PictureData) -> None:
    with pytest.raises(NotFoundError) as refused:
        draw(kind, replace(culture, firing=None), tmp_path / "a.png")
    assert str(refused.value) == f"culture 'dish' has no events, which {kind} draws; run: calcigraph events dish"


def test_waves_that_are_not_there_are_refused(tmp_path: Path, culture: PictureData) -> None:
    run = culture.firing
    assert run is not None
    for data, error, says in (
        (
            replace(culture, firing=replace(run, waves=run.waves[1:])),
            NotFoundError,
            "no wave to draw; `calcigraph pic",
        ),
        (replace(culture, wave=3), NotFoundError, "no wave 3; they are numbered 1 to 2"),
        (replace(culture, wave=2), InputError, "number 2 of culture 'dish' is a flash"),
    ):
        with pytest.raises(error, match=says):
            draw("waves", data, tmp_path / "a.png")
