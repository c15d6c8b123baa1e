"""Every kind of every sort of culture is drawn: size, legible text, other data, file formats."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from legible import assert_legible
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from calcigraph.errors import InputError
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.kinds import TABLE
from calcigraph.pictures.render import draw
from calcigraph.store.types import Subgraph

KINDS = tuple(kind.name for kind in TABLE if not kind.moves)
NEEDS_MOVIE = {kind.name for kind in TABLE if kind.needs_movie}
NEEDS_OUTLINES = {kind.name for kind in TABLE if kind.needs_outlines}
NEEDS_FIT = {kind.name for kind in TABLE if kind.needs_fit}
DOUBLE_COLUMN = {"traces", "error", "parameters", "training", "events", "raster", "forecast", "shifts"}
ABOUT = {
    "events": "81 events in 40 of 40 cells, 1 wave, 1 flash",
    "waves": "1 wave",
    "raster": "40 cells",
    "forecast": "contacts help",
    "shifts": "shifted by up to 7.16 px",
}
"""What the captions say that name neither fit nor frame."""
OF_NO_CELL = ("training", "shifts")
"""Kinds that refuse a cell."""
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
    (kind, sort)
    for kind in KINDS
    for sort in WITH_MOVIE + NO_MOVIE
    if kind not in NEEDS_MOVIE | NEEDS_OUTLINES or sort in WITH_MOVIE
]
DRAWN = [pair for pair in DRAWN if pair[0] != "training"]
DRAWN += [(kind, sort) for kind in ("traces", "parameters", "training") for sort in TRAINED]


@pytest.mark.parametrize("sort", ["usual", "traces", "one cell"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_picture_of_its_size(
    tmp_path: Path,
    kind: str,
    sort: str,
    for_kind: Callable[[str, PictureData], PictureData],
    sorts: dict[str, PictureData],
) -> None:
    data = for_kind(kind, sorts[sort])
    path = tmp_path / "picture.png"
    if kind in NEEDS_MOVIE and data.image is None:
        with pytest.raises(InputError, match="no movie"):
            draw(kind, data, path)
        assert not list(tmp_path.iterdir())
        return
    if kind in NEEDS_OUTLINES and data.from_traces:
        with pytest.raises(InputError, match="no cell outlines"):
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
def test_text_is_whole_legible_and_apart(
    kind: str, sort: str, figure_of: Callable[..., Figure], sorts: dict[str, PictureData]
) -> None:
    assert_legible(figure_of(kind, sorts[sort]))


def test_the_page_of_one_cell_is_legible(
    culture: PictureData,
    figure_of: Callable[..., Figure],
    texts: Callable[[Figure], set[str]],
    trained: Callable[..., PictureData],
) -> None:
    data = trained(culture)
    cell = int(data.subgraph.labels[data.identified().index("not identified")])
    figure = figure_of("traces", data, cell=cell)
    assert_legible(figure)
    assert any(text.endswith(", not identified") for text in texts(figure))


CHANGES: dict[str, Callable[[PictureData], PictureData]] = {
    "frame": lambda data: replace(data, image=None if data.image is None else data.image[::-1]),
    "outlines": lambda data: replace(data, subgraph=replace(data.subgraph, border=~data.subgraph.border)),
    "cells": lambda data: replace(data, subgraph=replace(data.subgraph, intensity=data.subgraph.intensity[::-1])),
    "graph": lambda data: replace(
        data, subgraph=replace(data.subgraph, shared_border_px=data.subgraph.shared_border_px[::-1])
    ),
    "traces": lambda data: replace(data, traces={label: trace + 0.1 for label, trace in data.traces.items()}),
    "error": lambda data: replace(data, traces={label: trace + 0.01 * label for label, trace in data.traces.items()}),
    "parameters": lambda data: replace(data, k=0.02),
    "training": lambda data: replace(data, k_interval=(0.009, 0.012)),
    "contacts": lambda data: replace(data, weights="uniform"),
    "shifts": lambda data: replace(data, pixel_size_um=0.5),
    "raster": lambda data: replace(data, subgraph=replace(data.subgraph, intensity=data.subgraph.intensity[::-1])),
    "events": lambda data: replace(data, firing=replace(data.firing, waves=data.firing.waves[1:])),
    "forecast": lambda data: replace(data, forecast=replace(data.forecast, skill=data.forecast.skill + 0.1)),
    "waves": lambda data: replace(
        data, firing=replace(data.firing, waves=(replace(data.firing.waves[0], starts=np.array([2])),))
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_data_give_another_picture_and_the_same_data_the_same(
    tmp_path: Path, kind: str, culture: PictureData, for_kind: Callable[[str, PictureData], PictureData]
) -> None:
    usual = for_kind(kind, culture)
    first, again, changed = (
        draw(kind, data, tmp_path / f"{number}.png", dpi=80).read_bytes()
        for number, data in enumerate((usual, usual, CHANGES[kind](usual)))
    )
    assert first == again
    assert first != changed


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml"), ("PNG", b"\x89PNG")]
)
def test_the_suffix_decides_the_format_and_no_date_is_kept(
    tmp_path: Path, suffix: str, magic: bytes, culture: PictureData
) -> None:
    one, two = (draw("graph", culture, tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
    assert one.startswith(magic)
    assert one == two


@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if kind not in OF_NO_CELL],
)
def test_a_cell_can_be_singled_out(tmp_path: Path, kind: str, culture: PictureData) -> None:
    label = int(culture.subgraph.labels[~culture.subgraph.border][0])
    plain = draw(kind, culture, tmp_path / "all.png", dpi=80)
    framed = draw(kind, culture, tmp_path / "one.png", dpi=80, cell=label)
    assert plain.read_bytes() != framed.read_bytes()


def test_a_frame_can_be_chosen(
    tmp_path: Path, culture: PictureData, figure_of: Callable[..., Figure], texts: Callable[[Figure], set[str]]
) -> None:
    pictured = [draw("cells", culture, tmp_path / f"{frame}.png", frame=frame).read_bytes() for frame in (0, 50)]
    assert pictured[0] != pictured[1]
    figure = figure_of("frame", replace(culture, image=culture.image[::-1], image_frame=12), 12)
    assert "dish, $t$ = 120 s, frame 12" in texts(figure)
    uneven = replace(culture.subgraph, time_s=np.r_[np.arange(10) * 10.0, 500 + np.arange(81) * 10.0])
    assert "dish, $t$ = 520 s, frame 12" in texts(figure_of("cells", replace(culture, subgraph=uneven), 12))


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_says_what_it_shows(
    kind: str,
    culture: PictureData,
    figure_of: Callable[..., Figure],
    for_kind: Callable[[str, PictureData], PictureData],
    texts: Callable[[Figure], set[str]],
) -> None:
    data = replace(for_kind(kind, culture), condition="10 mM $Ca$", case="shared")
    about = f"{data.model}, shared" if kind in NEEDS_FIT else ABOUT.get(kind, "$t$ = 0 s, frame 0")
    assert rf"dish (10 mM \$Ca\$), {about}" in texts(figure_of(kind, data))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_long_names_are_cut_and_what_is_shown_stays(
    kind: str,
    culture: PictureData,
    figure_of: Callable[..., Figure],
    for_kind: Callable[[str, PictureData], PictureData],
) -> None:
    subgraph = replace(culture.subgraph, culture="培养 " + "WWWW " * 40)
    data = replace(for_kind(kind, culture), subgraph=subgraph, condition="after " * 20, case="per-cell")
    figure = figure_of(kind, data)
    (cut,) = [text for text in figure.findobj(Text) if isinstance(text, Text) and "…" in text.get_text()]
    assert cut.get_text().startswith("?? WWWW WWWW")
    assert (
        cut.get_text()
        .split("…")[1]
        .startswith(f", {data.model}, per-cell" if kind in NEEDS_FIT else f", {ABOUT.get(kind, '$t$ = 0 s, frame 0')}")
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
    draw(
        "graph",
        PictureData(subgraph=graph, polygons=tuple(squares), height_px=2000, width_px=2000),
        tmp_path / "large.png",
    )
    assert time.perf_counter() - start < 10
