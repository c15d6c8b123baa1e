"""Pictures: every kind of every sort of culture is drawn, right in its pixels, or refused in one clear line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import shapely
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from scipy.spatial import cKDTree

from calcigraph.errors import InputError, NotFoundError
from calcigraph.pictures import canvas, maps, render, style, traces
from calcigraph.pictures import data as picture_data
from calcigraph.pictures.data import KINDS, NEEDS_FIT, NEEDS_MOVIE, PictureData, Training
from calcigraph.pictures.render import draw
from calcigraph.store.types import FloatArray, IntArray, LabelImage, Subgraph

DOUBLE_COLUMN = {"traces", "error", "parameters", "training"}


def tessellate(cells: int, side: int, seed: int = 0) -> LabelImage:
    """(side, side) labels 1..cells of a relaxed Voronoi tessellation."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, side, (cells, 2))
    pixels = np.moveaxis(np.mgrid[:side, :side], 0, -1).reshape(-1, 2)
    for _ in range(8):
        owner = cKDTree(points).query(pixels)[1]
        counts = np.maximum(np.bincount(owner, minlength=cells), 1)
        points = np.stack([np.bincount(owner, pixels[:, axis], cells) / counts for axis in (0, 1)], axis=1)
    return (cKDTree(points).query(pixels)[1] + 1).reshape(side, side).astype(np.int32)


def polygon(labels: LabelImage, label: int, box: tuple[slice, slice]) -> str:
    """WKT of the union of a cell's pixel squares."""
    top, left = box[0].start, box[1].start
    rows, columns = np.nonzero(labels[box] == label)
    squares = shapely.box(columns + left, rows + top, columns + left + 1, rows + top + 1)
    return str(shapely.to_wkt(shapely.coverage_union_all(squares)))


def contacts(labels: LabelImage) -> tuple[IntArray, FloatArray]:
    """(m, 2) index pairs with a shared border of 5 px or more, and its length."""
    pairs = [
        np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()]),
        np.stack([labels[:-1].ravel(), labels[1:].ravel()]),
    ]
    both = np.sort(np.concatenate(pairs, axis=1), axis=0)
    unlike = both[:, both[0] != both[1]]
    found, counts = np.unique(unlike, axis=1, return_counts=True)
    keep = counts >= 5
    return found[:, keep].T.astype(np.int64) - 1, counts[keep].astype(float)


def recording(n: int, frames: int, rng: np.random.Generator) -> FloatArray:
    """(n, frames): drifting levels with a few calcium spikes."""
    drift = np.cumsum(rng.normal(0, 0.004, (n, frames)), axis=1)
    traces = rng.uniform(0.3, 0.6, (n, 1)) + drift + rng.normal(0, 0.005, (n, frames))
    for row in range(n):
        for start in rng.integers(0, frames, 3):
            length = frames - start
            traces[row, start:] += rng.uniform(0.1, 0.5) * np.exp(-np.arange(length) / 6)
    return traces


@cache
def culture(cells: int = 40, side: int = 180, frames: int = 91) -> PictureData:
    """A fitted culture with its movie's first frame; made up, but of the right form throughout."""
    from scipy.ndimage import find_objects, gaussian_filter

    rng = np.random.default_rng(cells)
    labels = tessellate(cells, side)
    boxes = find_objects(labels)
    pairs, border = contacts(labels)
    area = np.bincount(labels.ravel())[1:].astype(float)
    rows, columns = np.indices(labels.shape)
    x, y = (np.bincount(labels.ravel(), axis.ravel())[1:] / area for axis in (columns, rows))
    edge = np.zeros(cells, dtype=bool)
    edge[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])) - 1] = True
    edge[0] &= cells > 4  # a culture of four would have nothing to fit
    intensity = recording(cells, frames, rng)
    membrane = gaussian_filter((labels != np.roll(labels, 1, 0)).astype(float) + (labels != np.roll(labels, 1, 1)), 1.5)
    graph = Subgraph(
        culture="dish",
        frame_interval_s=10.0,
        labels=np.arange(1, cells + 1),
        x_px=x,
        y_px=y,
        border=edge,
        intensity=intensity,
        pairs=pairs,
        shared_border_px=border,
        centroid_distance_px=np.hypot(*(axis[pairs[:, 0]] - axis[pairs[:, 1]] for axis in (x, y))),
        area_px=area,
    )
    fit, words, traces = made_up_fit(graph, rng)
    return PictureData(
        subgraph=graph,
        polygons=tuple(polygon(labels, label, boxes[label - 1]) for label in graph.labels.tolist()),
        pixel_size_um=0.65,
        height_px=side,
        width_px=side,
        image=intensity[labels - 1, 0] + 0.4 * membrane + rng.normal(0, 0.02, labels.shape),
        cells=fit,
        words=words,
        k=0.011,
        feed=2e-5,
        traces=traces,
    )


def made_up_fit(
    graph: Subgraph, rng: np.random.Generator
) -> tuple[dict[str, FloatArray], dict[str, tuple[str, ...]], dict[int, FloatArray]]:
    n, frames = graph.intensity.shape
    size = np.exp(rng.normal(0, 0.8, n)) * 0.05
    model = graph.intensity - size[:, None] * np.cumsum(rng.normal(0, 0.12, (n, frames)), axis=1)
    mse = ((model - graph.intensity) ** 2).mean(axis=1)
    rank = np.argsort(np.argsort(mse)) / n
    group = np.where(rank < 0.65, "good", np.where(rng.random(n) < 0.6, "misses peaks", "wrong magnitude"))
    inner = ~graph.border
    cells = {
        "crlsm_k_cell": np.where(inner, 0.01 * np.exp(rng.normal(0, 0.6, n)), np.nan),
        "crlsm_feed": np.where(inner, rng.normal(2e-5, 8e-5, n), np.nan),
        "crlsm_mse_train": np.where(inner, mse, np.nan),
    }
    words = {"crlsm_group": tuple(word if fitted else "" for word, fitted in zip(group.tolist(), inner, strict=True))}
    return cells, words, {int(graph.labels[row]): model[row] for row in np.flatnonzero(inner)}


def trained(data: PictureData, networks: int = 3, blocks: int = 1) -> PictureData:
    """The same culture fitted by model pinn: intervals, words, how it trained and the network's traces."""
    rng = np.random.default_rng(7)
    inner = ~data.subgraph.border
    cells = {name.replace("crlsm", "pinn"): column for name, column in data.cells.items()}
    for name, wide in (("k_cell", 0.002), ("feed", 1e-5)):
        cells |= {f"pinn_{name}_{end}": cells[f"pinn_{name}"] + at * wide for end, at in (("low", -1), ("high", 1))}
    said = np.where(inner, "identified", "").astype(object)
    said[np.flatnonzero(inner)[:3]] = ("weak", "weak", "not identified")[: min(3, int(inner.sum()))]
    words = {name.replace("crlsm", "pinn"): word for name, word in data.words.items()}
    return replace(
        data,
        model="pinn",
        cells=cells,
        words=words | {"pinn_identified": tuple(said.tolist())},
        k_interval=None if data.k is None else (0.0105, 0.0114),
        feed_interval=None if data.feed is None else (-1e-5, 5e-5),
        network={label: trace + 0.003 for label, trace in data.traces.items()},
        training=tuple(made_up_training(networks, rng) for _ in range(blocks)),
    )


def made_up_training(networks: int, rng: np.random.Generator) -> Training:
    """The network stands still for the first 40 of 160 recorded epochs."""
    epoch = np.arange(0, 320, 2.0)
    decay = np.exp(-epoch / 60)
    k = 0.011 * np.exp(-decay + rng.normal(0, 0.02, (networks, 160)))
    loss = np.where(np.arange(160) < 40, 0.01, 1.5 * decay + 0.1)
    return Training(epoch, loss, decay + 0.03, k, 2e-5 + 1e-4 * decay * np.cos(epoch / 9))


def for_kind(kind: str, data: PictureData) -> PictureData:
    return trained(data) if kind == "training" else data


def from_traces(data: PictureData) -> PictureData:
    """The same cells as a recording that came as traces with positions."""
    graph = replace(data.subgraph, shared_border_px=np.full(len(data.subgraph.pairs), np.nan), area_px=None)
    return replace(data, subgraph=graph, polygons=None, image=None, height_px=None, width_px=None, pixel_size_um=None)


def with_values(data: PictureData, **values: float) -> PictureData:
    """Every inner cell gets the same parameter."""
    inner = ~data.subgraph.border
    changed = {f"crlsm_{name}": np.where(inner, value, np.nan) for name, value in values.items()}
    return replace(data, cells={**data.cells, **changed})


def at_bounds(data: PictureData) -> PictureData:
    """Every feed below 0 lies at the lower bound, the culture's own k at the median."""
    feed, own = data.cells["crlsm_feed"], data.cells["crlsm_k_cell"]
    cells = {**data.cells, "crlsm_feed": np.maximum(feed, 0.0)}
    return replace(data, cells=cells, bounds={"k": (1e-3, 0.1), "feed": (0.0, None)}, k=float(np.nanmedian(own)))


def at_frame(data: PictureData, frame: int) -> PictureData:
    assert data.image is not None
    return replace(data, image=data.image[::-1], image_frame=frame)


def stretched(data: PictureData, across: float, down: float) -> PictureData:
    """The positions of a recording without masks, pulled to a strip."""
    graph = data.subgraph
    x, y = graph.x_px * across, graph.y_px * down
    a, b = graph.pairs.T
    graph = replace(graph, x_px=x, y_px=y, centroid_distance_px=np.hypot(x[a] - x[b], y[a] - y[b]))
    return from_traces(replace(data, subgraph=graph))


def alone(frames: int = 1) -> PictureData:
    """One square cell, without contacts."""
    graph = Subgraph(
        culture="one",
        frame_interval_s=1.0,
        labels=np.array([7]),
        x_px=np.array([9.5]),
        y_px=np.array([9.5]),
        border=np.array([False]),
        intensity=np.full((1, frames), 0.4),
        pairs=np.empty((0, 2), dtype=np.int64),
        shared_border_px=np.empty(0),
        centroid_distance_px=np.empty(0),
    )
    return PictureData(
        graph,
        polygons=("POLYGON ((0 0, 20 0, 20 20, 0 20, 0 0))",),
        image=np.full((20, 20), 0.4),
        cells={"crlsm_k_cell": np.array([0.01]), "crlsm_feed": np.zeros(1), "crlsm_mse_train": np.zeros(1)},
        traces={7: np.full(frames, 0.4)},
    )


def sorts() -> dict[str, PictureData]:
    """Cultures that each break a picture in their own way."""
    usual = culture()
    diverged = {label: np.where(np.arange(len(trace)) > 40, np.nan, trace) for label, trace in usual.traces.items()}
    return {
        "usual": usual,
        "four cells": culture(4, 60, 40),
        "traces": from_traces(usual),
        "wide": stretched(usual, 6, 1),
        "tall": stretched(usual, 1, 6),
        "no feed": with_values(usual, feed=np.nan),
        "constant": with_values(usual, feed=2e-5, k_cell=0.011, mse_train=0.003),
        "ungrouped": replace(usual, words={}, k=None, feed=None, pixel_size_um=None),
        "diverged": replace(usual, traces=diverged),
        "at bounds": at_bounds(usual),
        "trained": trained(usual),
        "trained in blocks": trained(from_traces(usual), 4, 6),
        "trained once": replace(trained(with_values(usual, feed=np.nan), 1), k_interval=None, feed=None),
        "one cell": alone(frames=30),
        "one frame": alone(),
    }


NO_MOVIE = ("traces", "wide", "tall")
WITH_MOVIE = (
    "usual",
    "four cells",
    "no feed",
    "constant",
    "ungrouped",
    "diverged",
    "at bounds",
    "one cell",
    "one frame",
)
TRAINED = ("trained", "trained in blocks", "trained once")
DRAWN = [
    (kind, sort) for kind in KINDS for sort in WITH_MOVIE + NO_MOVIE if kind not in NEEDS_MOVIE or sort in WITH_MOVIE
]
DRAWN = [pair for pair in DRAWN if pair[0] != "training"]
DRAWN += [(kind, sort) for kind in ("traces", "parameters", "training") for sort in TRAINED]


def figure_of(kind: str, data: PictureData, frame: int = 0, cell: int | None = None) -> Figure:
    with style.journal_style():
        figure = render._painter(kind)(data, frame, cell)
        figure.canvas.draw()
    return figure


def texts(figure: Figure) -> set[str]:
    return {line for text in figure.findobj(Text) if isinstance(text, Text) for line in text.get_text().split("\n")}


def colour_at(figure: Figure, axes: Axes, x: float, y: float) -> FloatArray:
    """The drawn colour (0 to 1) at a place in data coordinates."""
    pixels = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    column, row = axes.transData.transform((x, y))
    return np.asarray(pixels[pixels.shape[0] - 1 - int(row), int(column), :3], dtype=float) / 255


# ------------------------------------------------------------------------------------------------------------ drawing


@pytest.mark.parametrize("sort", ["usual", "traces", "one cell"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_picture_of_its_size(tmp_path: Path, kind: str, sort: str) -> None:
    data = for_kind(kind, sorts()[sort])
    path = tmp_path / "picture.png"
    if kind in NEEDS_MOVIE and data.image is None:
        with pytest.raises(InputError, match="no movie"):
            draw(kind, data, path)
        assert not list(tmp_path.iterdir())
        return
    assert draw(kind, data, path, dpi=100) == path
    pixels = imread(path)
    single = kind not in DOUBLE_COLUMN or (kind == "traces" and len(data.traces) == 1)
    assert pixels.shape[1] == (350 if single else 720)
    assert 150 < pixels.shape[0] < 1000
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 20
    assert [entry.name for entry in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.parametrize(("kind", "sort"), DRAWN)
def test_text_is_whole_legible_and_apart(kind: str, sort: str) -> None:
    _assert_legible(figure_of(kind, sorts()[sort]))


def test_the_page_of_one_cell_is_legible() -> None:
    data = trained(culture())
    cell = int(data.subgraph.labels[data.identified().index("not identified")])
    figure = figure_of("traces", data, cell=cell)
    _assert_legible(figure)
    assert any(text.endswith(", not identified") for text in texts(figure))


def _assert_legible(figure: Figure) -> None:
    page, hidden = figure.bbox, _not_drawn(figure)
    boxes = []
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if not text.get_text().strip() or not text.get_visible() or text in hidden:
            continue
        box = text.get_window_extent()
        assert float(text.get_fontsize()) >= 7, text
        inside = box.x0 >= page.x0 and box.y0 >= page.y0 and box.x1 <= page.x1 and box.y1 <= page.y1
        assert inside, f"{text.get_text()!r} is cut off at {box}"
        boxes.append((text.get_text(), box))
    assert boxes
    for (one, first), (other, second) in combinations(boxes, 2):
        apart = first.x1 <= second.x0 or second.x1 <= first.x0 or first.y1 <= second.y0 or second.y1 <= first.y0
        assert apart, f"{one!r} lies on {other!r}"


def _not_drawn(figure: Figure) -> set[Text]:
    """Tick labels outside the limits exist, but are not drawn."""
    hidden: set[Text] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            drawn = axis._update_ticks()  # type: ignore[union-attr]
            ticks = (*axis.majorTicks, *axis.minorTicks)
            hidden |= {label for tick in ticks if tick not in drawn for label in (tick.label1, tick.label2)}
    return hidden


CHANGES: dict[str, Callable[[PictureData], PictureData]] = {
    "frame": lambda data: replace(data, image=None if data.image is None else data.image[::-1]),
    "outlines": lambda data: replace(data, subgraph=replace(data.subgraph, border=~data.subgraph.border)),
    "cells": lambda data: replace(data, subgraph=replace(data.subgraph, intensity=data.subgraph.intensity[::-1])),
    "graph": lambda data: replace(
        data, subgraph=replace(data.subgraph, shared_border_px=data.subgraph.shared_border_px[::-1])
    ),
    "traces": lambda data: replace(data, traces={label: trace + 0.1 for label, trace in data.traces.items()}),
    "error": lambda data: with_values(data, mse_train=0.5),
    "parameters": lambda data: replace(data, k=0.02),
    "training": lambda data: replace(data, k_interval=(0.009, 0.012)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_data_give_another_picture_and_the_same_data_the_same(tmp_path: Path, kind: str) -> None:
    usual = for_kind(kind, culture())
    first, again, changed = (
        draw(kind, data, tmp_path / f"{number}.png", dpi=80).read_bytes()
        for number, data in enumerate((usual, usual, CHANGES[kind](usual)))
    )
    assert first == again
    assert first != changed


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml"), ("PNG", b"\x89PNG")]
)
def test_the_suffix_decides_the_format_and_no_date_is_kept(tmp_path: Path, suffix: str, magic: bytes) -> None:
    one, two = (draw("graph", culture(), tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
    assert one.startswith(magic)
    assert one == two


@pytest.mark.parametrize("kind", ["frame", "outlines", "cells", "graph", "traces", "error", "parameters"])
def test_a_cell_can_be_singled_out(tmp_path: Path, kind: str) -> None:
    label = int(culture().subgraph.labels[~culture().subgraph.border][0])
    plain = draw(kind, culture(), tmp_path / "all.png", dpi=80)
    framed = draw(kind, culture(), tmp_path / "one.png", dpi=80, cell=label)
    assert plain.read_bytes() != framed.read_bytes()


def test_a_frame_can_be_chosen(tmp_path: Path) -> None:
    pictured = [draw("cells", culture(), tmp_path / f"{frame}.png", frame=frame).read_bytes() for frame in (0, 50)]
    assert pictured[0] != pictured[1]
    figure = figure_of("frame", at_frame(culture(), 12), 12)
    assert "dish, $t$ = 120 s, frame 12" in texts(figure)


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_says_what_it_shows(kind: str) -> None:
    data = replace(for_kind(kind, culture()), condition="10 mM $Ca$", case="shared")
    about = f"{data.model}, shared" if kind in NEEDS_FIT else "$t$ = 0 s, frame 0"
    assert rf"dish (10 mM \$Ca\$), {about}" in texts(figure_of(kind, data))


@pytest.mark.parametrize("kind", KINDS)
def test_long_names_are_cut_and_what_is_shown_stays(kind: str) -> None:
    subgraph = replace(culture().subgraph, culture="培养 " + "WWWW " * 40)
    data = replace(for_kind(kind, culture()), subgraph=subgraph, condition="after " * 20, case="per-cell")
    figure = figure_of(kind, data)
    (cut,) = [text for text in figure.findobj(Text) if isinstance(text, Text) and "…" in text.get_text()]
    assert cut.get_text().startswith("?? WWWW WWWW")
    assert (
        cut.get_text()
        .split("…")[1]
        .startswith(f", {data.model}, per-cell" if kind in NEEDS_FIT else ", $t$ = 0 s, frame 0")
    )
    assert cut.get_window_extent().x1 <= figure.bbox.x1


def test_large_cultures_are_drawn_in_seconds(tmp_path: Path) -> None:
    side, n = 100, 10_000
    rows, columns = (axis.ravel() for axis in np.indices((side, side)))
    squares = shapely.to_wkt(shapely.box(20 * columns, 20 * rows, 20 * columns + 20, 20 * rows + 20))
    index = np.arange(n).reshape(side, side)
    pairs = np.concatenate(
        [
            np.stack([index[:, :-1], index[:, 1:]], -1).reshape(-1, 2),
            np.stack([index[:-1], index[1:]], -1).reshape(-1, 2),
        ]
    )
    graph = Subgraph(
        culture="large",
        frame_interval_s=1.0,
        labels=np.arange(n) + 1,
        x_px=20.0 * columns + 9.5,
        y_px=20.0 * rows + 9.5,
        border=(rows == 0),
        intensity=np.sin(np.arange(n * 5.0)).reshape(n, 5),
        pairs=pairs,
        shared_border_px=np.full(len(pairs), 20.0),
        centroid_distance_px=np.full(len(pairs), 20.0),
    )
    start = time.perf_counter()
    draw("graph", PictureData(graph, polygons=tuple(squares), height_px=2000, width_px=2000), tmp_path / "large.png")
    assert time.perf_counter() - start < 10


# ----------------------------------------------------------------------------------------------------------- geometry


def test_polygons_cover_their_own_pixels() -> None:
    """Pixel corners are integers in the polygons, pixel centres are in the picture."""
    data = culture()
    labels = tessellate(40, 180)
    rows, columns = (axis.ravel() for axis in np.indices(labels.shape))
    for path, label in zip(canvas.outline_paths(data), data.subgraph.labels.tolist(), strict=True):
        inside = path.contains_points(np.column_stack([columns, rows]))
        np.testing.assert_array_equal(inside.reshape(labels.shape), labels == label)


def test_image_and_cells_share_their_coordinates() -> None:
    data = culture()
    bounds = canvas.view(data, canvas.outline_paths(data))
    assert bounds == (-0.5, 179.5, 179.5, -0.5)
    axes = figure_of("outlines", data).axes[0]
    assert tuple(axes.images[0].get_extent()) == bounds
    assert axes.get_xlim() + axes.get_ylim() == bounds
    assert axes.get_aspect() == 1


def test_holes_stay_open() -> None:
    data = replace(
        alone(),
        polygons=("POLYGON ((0 0, 20 0, 20 20, 0 20, 0 0), (5 5, 5 15, 15 15, 15 5, 5 5))",),
        height_px=20,
        width_px=20,
    )
    figure = figure_of("cells", data)
    assert colour_at(figure, figure.axes[0], 9.5, 9.5) == pytest.approx([1, 1, 1])
    assert colour_at(figure, figure.axes[0], 2, 2) != pytest.approx([1, 1, 1], abs=0.1)


@pytest.mark.parametrize("sort", ["usual", "traces"])
def test_cells_have_the_colour_of_their_intensity(sort: str) -> None:
    import matplotlib

    data = sorts()[sort]
    figure = figure_of("cells", data, 20)
    now, all_frames = data.subgraph.intensity[:, 20], data.subgraph.intensity
    low, high = np.percentile(all_frames, [2, 98])
    wanted = matplotlib.colormaps["viridis"](np.clip((now - low) / (high - low), 0, 1))[:, :3]
    for row in np.flatnonzero(~data.subgraph.border):
        drawn = colour_at(figure, figure.axes[0], float(data.subgraph.x_px[row]), float(data.subgraph.y_px[row]))
        assert drawn == pytest.approx(wanted[row], abs=0.02)


def test_cells_without_a_fit_are_pale() -> None:
    data = culture()
    figure = figure_of("error", data)
    for row in np.flatnonzero(data.subgraph.border):
        drawn = colour_at(figure, figure.axes[0], float(data.subgraph.x_px[row]), float(data.subgraph.y_px[row]))
        assert drawn == pytest.approx([230 / 255] * 3, abs=0.01)


def test_scale_bar_is_as_long_as_it_says() -> None:
    figure = figure_of("cells", culture())
    (bar,) = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2]  # type: ignore[arg-type]
    assert np.ptp(np.asarray(bar.get_xdata(), dtype=float)) * 0.65 == pytest.approx(20)
    assert any(text.get_text() == "20 µm" for text in figure.axes[0].texts)


def test_numbers_do_not_touch_and_are_left_out_where_small() -> None:
    data = culture()
    with style.journal_style():
        _, chart = canvas.map_figure((-0.5, 179.5, 179.5, -0.5), 3.5)
        assert len(maps._room_for_labels(chart, data)) == 40
        _, small = canvas.map_figure((-0.5, 1799.5, 1799.5, -0.5), 3.5)
        assert maps._room_for_labels(small, data) == []


# ------------------------------------------------------------------------------------------------------------- choice


def test_representatives_are_best_median_and_worst_of_each_group() -> None:
    data = culture()
    mse, groups = data.values("mse_train"), np.array(data.groups())
    chosen = traces.representatives(data)
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


def test_signed_parameters_are_centred_on_zero_and_wide_ones_logarithmic() -> None:
    from matplotlib.colors import LogNorm

    name, norm = style.paint(np.array([-1.0, 0.0, 3.0, np.nan]), signed=True)
    assert name == "RdBu_r"
    assert norm.vmin == -norm.vmax  # type: ignore[operator]
    assert isinstance(style.paint(np.geomspace(1e-5, 1e-1, 50))[1], LogNorm)
    assert not isinstance(style.paint(np.linspace(1, 3, 50))[1], LogNorm)


def test_numbers_of_ticks() -> None:
    assert style.log_ticks(0.001, 0.1) == pytest.approx([0.001, 0.003, 0.01, 0.03, 0.1])
    assert len(style.log_ticks(1e-9, 1e3)) <= 5
    assert [style.plain(value) for value in (0.02, 5.0, 2e-5, 1e-4, 0.0)] == [
        "0.02", "5", "$2×10^{-5}$", "$10^{-4}$", "0",
    ]  # fmt: skip
    scale = style.scaled(np.array([2e-5, np.nan, -4e-5]), "feed", "s$^{-1}$")
    assert scale.label == "feed ($10^{-5}$ s$^{-1}$)"
    assert scale.values[[0, 2]] == pytest.approx([2, -4])
    assert style.limits(np.full(3, 2.0)) == pytest.approx((1.9, 2.1))
    assert style.limits(np.array([np.nan])) == (0, 1)


def test_the_group_of_most_cells_is_not_marked_and_the_legend_says_so() -> None:
    said = texts(figure_of("error", culture()))
    counts = {word: culture().groups().count(word) for word in ("good", "misses peaks", "wrong magnitude")}
    assert max(counts, key=lambda word: counts[word]) == "good"
    assert {f"good ({counts['good']}), not marked", f"misses peaks ({counts['misses peaks']})"} <= said


def test_cells_at_a_bound_are_marked_and_a_median_on_the_cultures_value_is_not_drawn_twice() -> None:
    data = sorts()["at bounds"]
    count = int((culture().values("feed") < 0).sum())
    assert 0 < count == int(data.at_bound("feed").sum())
    assert not data.at_bound("k_cell").any()
    said = texts(figure_of("parameters", data))
    assert {f"at bound ({count})", "culture and median", "median"} <= said
    assert not any("at bound" in text for text in texts(figure_of("parameters", culture())))


def test_the_groups_are_explained_with_the_limits_the_models_use() -> None:
    from calcigraph.models import evaluate

    found, magnitude = f"{evaluate.PEAKS_FOUND:.0%}", f"{evaluate.MAGNITUDE:.0%}"
    said = traces.MEANINGS[0].replace(" %", "%")
    assert said == f"{evaluate.GOOD}: {found} of peaks found and median within {magnitude}"
    assert [text.split(":")[0] for text in traces.MEANINGS] == list(picture_data.GROUPS)


def test_traces_explain_the_groups_and_write_errors_alike() -> None:
    said = texts(figure_of("traces", culture()))
    assert "; ".join(traces.MEANINGS) in said
    assert "good: " not in " ".join(texts(figure_of("traces", sorts()["ungrouped"])))
    errors = [text.split("MSE ")[1] for text in said if "MSE " in text]
    assert len(errors) == 9
    assert all("×10" in text for text in errors)
    assert [style.scientific(value) for value in (0.00996, 0.0)] == ["$1×10^{-2}$", "0"]


@pytest.mark.parametrize("kind", ["outlines", "cells", "graph"])
def test_the_framed_cell_is_in_the_legend(kind: str) -> None:
    figure = figure_of(kind, culture(), cell=9)
    (entry,) = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() == "cell 9"]
    assert entry.get_window_extent().y0 >= 0


# ------------------------------------------------------------------------------------------- intervals and training


def lines(axes: Axes) -> dict[str, FloatArray]:
    """The y values of each labelled line."""
    return {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.lines}


def spans(axes: Axes) -> list[tuple[float, float, float, float]]:
    """(left, right, bottom, top) of each band."""
    boxes = [patch.get_bbox() for patch in axes.patches if hasattr(patch, "get_bbox")]
    return [(box.x0, box.x1, box.y0, box.y1) for box in boxes]


def test_a_training_is_drawn_with_what_the_fit_found() -> None:
    data = trained(culture(), networks=4)
    losses, coupling, feed = figure_of("training", data).axes
    (block,) = data.training
    np.testing.assert_array_equal(lines(losses)["data"], block.data_loss)
    np.testing.assert_array_equal(lines(losses)["physics"], block.physics_loss)
    assert losses.get_yscale() == coupling.get_yscale() == "log"
    assert spans(losses)[0][1] == block.epoch[40]
    paths = [np.asarray(line.get_ydata()) for line in coupling.lines if len(np.asarray(line.get_ydata())) == 160]
    np.testing.assert_allclose(np.sort(paths, axis=0), np.sort(block.k * 100, axis=0))
    np.testing.assert_allclose(lines(coupling)["network 1"], block.k[0] * 100)
    np.testing.assert_allclose(lines(coupling)["fit, 95 %"], 1.1)
    assert pytest.approx(spans(coupling)[0][2:]) == (1.05, 1.14)
    np.testing.assert_allclose(lines(feed)["network 1"], block.feed * 1e4)
    assert {"2 to 4", "1.100 (1.050 to 1.140)", "0.20 (−0.10 to 0.50)"} <= texts(coupling.get_figure(root=True))


def test_a_training_without_feed_or_interval_draws_what_there_is() -> None:
    data = sorts()["trained once"]
    still = replace(data.training[0], feed=np.zeros(160), data_loss=np.linspace(1, 0, 160))
    figure = figure_of("training", replace(data, training=(still,)))
    losses, coupling = figure.axes
    assert "network held" not in texts(figure)
    assert {"fit", "1.1"} <= texts(figure)
    assert not spans(losses) + spans(coupling)


def test_only_a_model_that_trains_has_a_training(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(NotFoundError, match="only model pinn trains; fit dish with --model pinn"):
        draw("training", replace(culture(), model="robust"), path)
    with pytest.raises(NotFoundError, match="no pinn fit, which training draws; run: calcigraph fit dish --model pinn"):
        draw("training", replace(culture(), model="pinn"), path)
    with pytest.raises(NotFoundError, match="keeps no training; run again: calcigraph fit dish --model pinn"):
        draw("training", replace(trained(culture()), training=()), path)
    with pytest.raises(InputError, match="leave out the cell"):
        draw("training", trained(culture()), path, cell=9)
    assert not path.exists()


def test_a_networks_own_traces_stand_beside_its_free_run() -> None:
    data = trained(culture())
    label = next(iter(data.network))
    upper, lower = figure_of("traces", data, cell=label).axes
    observed = data.subgraph.intensity[data.row(label)]
    np.testing.assert_array_equal(lower.lines[-1].get_ydata(), observed - data.network[label])
    np.testing.assert_array_equal(lines(upper)["network"], data.network[label])
    np.testing.assert_array_equal(lines(upper)["free run"], data.traces[label])
    assert "network" in texts(figure_of("traces", data))
    assert not {"network", "free run"} & texts(figure_of("traces", culture()))


def test_parameters_show_intervals_and_the_cells_whose_coupling_the_data_do_not_tell() -> None:
    data = trained(culture())
    figure = figure_of("parameters", data)
    coupling_map, feed, coupling = figure.axes[1:4]
    assert {"weak (2)", "not identified (1)", "95 %"} <= texts(figure)
    assert pytest.approx(spans(coupling)[-1][:2]) == (1.05, 1.14)
    assert pytest.approx(spans(feed)[-1][:2]) == (-0.1, 0.5)
    doubtful = [row for row, word in enumerate(data.identified()) if word in ("weak", "not identified")]
    spots = [scatter_.get_offsets() for scatter_ in coupling_map.collections if scatter_.get_label() != ""]
    marked = {tuple(spot) for spot in np.concatenate([np.asarray(one) for one in spots if len(one) in (1, 2)])}
    assert marked >= {(data.subgraph.x_px[row], data.subgraph.y_px[row]) for row in doubtful}
    assert not {text for text in texts(figure_of("parameters", culture())) if "weak" in text or "95 %" in text}


def test_numbers_have_the_digits_their_interval_leaves() -> None:
    between = style.between
    assert between(2.00234, (1.9812, 2.0221)) == "2.002 (1.981 to 2.022)"
    assert between(-12.34, (-20.0, 3.0)) == "−12 (−20 to 3)"
    assert between(0.123456, None) == between(0.123456, (0.1, 0.1)) == "0.123"


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("kind", "name", "options", "error", "says"),
    [
        ("heatmap", "a.png", {}, InputError, "frame, outlines, cells"),
        ("cells", "a.jpg", {}, InputError, ".png, .pdf or .svg"),
        ("cells", "a", {}, InputError, ".png, .pdf or .svg"),
        ("cells", "none/a.png", {}, InputError, "there is no folder"),
        ("cells", "folder.png", {}, InputError, "is a folder"),
        ("cells", "a.png", {"frame": 91}, InputError, "frames 0 to 90"),
        ("cells", "a.png", {"frame": -1}, InputError, "frames 0 to 90"),
        ("frame", "a.png", {"frame": 3}, InputError, "the image given is frame 0"),
        ("traces", "a.png", {"cell": 999}, NotFoundError, "no cell 999; its 40 labels run from 1 to 40"),
        ("cells", "a.png", {"dpi": 5}, InputError, "50 to 1200"),
    ],
)
def test_refusals(
    tmp_path: Path, kind: str, name: str, options: dict[str, int], error: type[Exception], says: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(error, match=says) as caught:
        draw(kind, culture(), tmp_path / name, **options)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.parametrize("kind", sorted(NEEDS_FIT - {"training"}))
def test_no_fit_yet_names_the_command(tmp_path: Path, kind: str) -> None:
    bare = replace(culture(), cells={}, words={}, traces={})
    with pytest.raises(NotFoundError, match="run: calcigraph fit dish --model robust"):
        draw(kind, replace(bare, model="robust"), tmp_path / "a.png")


def test_fits_without_parameters_have_no_picture_of_them(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no crlsm fit"):
        draw("parameters", with_values(culture(), feed=np.nan, k_cell=np.inf), tmp_path / "a.png")


def test_what_the_culture_lacks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no movie, which frame draws"):
        draw("frame", from_traces(culture()), tmp_path / "a.png")
    with pytest.raises(InputError, match="no cell outlines"):
        draw("outlines", replace(culture(), polygons=None), tmp_path / "a.png")


def test_border_cells_have_traces_but_no_model(tmp_path: Path) -> None:
    data = culture()
    border = int(data.subgraph.labels[data.subgraph.border][0])
    draw("traces", data, tmp_path / "a.png", cell=border)
    inner = int(data.subgraph.labels[~data.subgraph.border][0])
    traces = {label: trace for label, trace in data.traces.items() if label != inner}
    with pytest.raises(NotFoundError, match=f"cell {inner} .* has no crlsm trace"):
        draw("traces", replace(data, traces=traces), tmp_path / "b.png", cell=inner)


def test_data_that_do_not_agree_are_refused() -> None:
    data = culture()
    with pytest.raises(InputError, match="crlsm_feed has 3 entries, expected one for each of the 40 cells"):
        replace(data, cells={"crlsm_feed": np.zeros(3)})
    with pytest.raises(InputError, match="model trace of cell 5 has 2 frames, the recording 91"):
        replace(data, traces={5: np.zeros(2)})
    with pytest.raises(InputError, match="2-D"):
        replace(data, image=np.zeros((2, 3, 4)))


@pytest.mark.parametrize("text", ["POLYGON ((0 0", "LINESTRING (0 0, 1 1)"])
def test_polygons_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="polygon"):
        draw("cells", replace(alone(), polygons=(text,)), tmp_path / "a.png")


# -------------------------------------------------------------------------------------------------------- side effects


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(InputError, match="No space left on device"):
        draw("cells", culture(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    draw("cells", culture(), path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_users_matplotlib_settings_neither_matter_nor_change(tmp_path: Path) -> None:
    import matplotlib

    usual = draw("graph", culture(), tmp_path / "a.png").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "savefig.dpi": 30, "image.origin": "lower"}):
        assert draw("graph", culture(), tmp_path / "b.png").read_bytes() == usual
        assert matplotlib.rcParams["font.size"] == 30


def test_matplotlib_waits_until_something_is_drawn_and_pyplot_never_comes(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from calcigraph.pictures import PictureData, draw\n"
        "from calcigraph.store.types import Subgraph\n"
        "assert 'matplotlib' not in sys.modules\n"
        "one, none, pairs = np.ones(1), np.empty(0), np.empty((0, 2), int)\n"
        "graph = Subgraph('a', 1.0, np.array([1]), one, one, one < 0, np.ones((1, 3)), pairs, none, none)\n"
        "draw('cells', PictureData(graph), sys.argv[1])\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.png")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
