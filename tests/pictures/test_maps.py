"""Maps: every cell has its place and its colour, the scale bar its length, labels their room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from calcigraph.pictures import canvas, maps, style
from calcigraph.pictures.data import PictureData
from calcigraph.store.types import FloatArray, LabelImage


def colour_at(figure: Figure, axes: Axes, x: float, y: float) -> FloatArray:
    """The drawn colour (0 to 1) at a place in data coordinates."""
    pixels = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    column, row = axes.transData.transform((x, y))
    return np.asarray(pixels[pixels.shape[0] - 1 - int(row), int(column), :3], dtype=float) / 255


def test_polygons_cover_their_own_pixels(culture: PictureData, labels: LabelImage) -> None:
    """Pixel corners are integers in the polygons, pixel centres are in the picture."""
    rows, columns = (axis.ravel() for axis in np.indices(labels.shape))
    for path, label in zip(canvas.outline_paths(culture), culture.subgraph.labels.tolist(), strict=True):
        inside = path.contains_points(np.column_stack([columns, rows]))
        np.testing.assert_array_equal(inside.reshape(labels.shape), labels == label)


def test_image_and_cells_share_their_coordinates(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    bounds = canvas.view(culture, canvas.outline_paths(culture))
    assert bounds == (-0.5, 179.5, 179.5, -0.5)
    axes = figure_of("outlines", culture).axes[0]
    assert tuple(axes.images[0].get_extent()) == bounds
    assert axes.get_xlim() + axes.get_ylim() == bounds
    assert axes.get_aspect() == 1


def test_holes_stay_open(alone: PictureData, figure_of: Callable[..., Figure]) -> None:
    data = replace(
        alone,
        polygons=("POLYGON ((0 0, 20 0, 20 20, 0 20, 0 0), (5 5, 5 15, 15 15, 15 5, 5 5))",),
        height_px=20,
        width_px=20,
    )
    figure = figure_of("cells", data)
    assert colour_at(figure, figure.axes[0], 9.5, 9.5) == pytest.approx([1, 1, 1])
    assert colour_at(figure, figure.axes[0], 2, 2) != pytest.approx([1, 1, 1], abs=0.1)


@pytest.mark.parametrize("sort", ["usual", "traces"])
def test_cells_have_the_colour_of_their_intensity(
    sort: str, figure_of: Callable[..., Figure], sorts: dict[str, PictureData]
) -> None:
    import matplotlib

    data = sorts[sort]
    figure = figure_of("cells", data, 20)
    now, all_frames = data.subgraph.intensity[:, 20], data.subgraph.intensity
    low, high = np.percentile(all_frames, [2, 98])
    wanted = matplotlib.colormaps["viridis"](np.clip((now - low) / (high - low), 0, 1))[:, :3]
    for row in np.flatnonzero(~data.subgraph.border):
        drawn = colour_at(figure, figure.axes[0], float(data.subgraph.x_px[row]), float(data.subgraph.y_px[row]))
        assert drawn == pytest.approx(wanted[row], abs=0.02)


def test_cells_without_a_fit_are_pale(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    figure = figure_of("error", culture)
    for row in np.flatnonzero(culture.subgraph.border):
        drawn = colour_at(figure, figure.axes[0], float(culture.subgraph.x_px[row]), float(culture.subgraph.y_px[row]))
        assert drawn == pytest.approx([230 / 255] * 3, abs=0.01)


def test_scale_bar_is_as_long_as_it_says(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    figure = figure_of("cells", culture)
    (bar,) = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2]  # type: ignore[arg-type]
    assert np.ptp(np.asarray(bar.get_xdata(), dtype=float)) * 0.65 == pytest.approx(20)
    assert any(text.get_text() == "20 µm" for text in figure.axes[0].texts)


def test_numbers_do_not_touch_and_are_left_out_where_small(culture: PictureData) -> None:
    with style.journal_style():
        _, chart = canvas.map_figure(canvas.Bounds(-0.5, 179.5, 179.5, -0.5), 3.5)
        assert len(maps._room_for_labels(chart, culture)) == 40
        _, small = canvas.map_figure(canvas.Bounds(-0.5, 1799.5, 1799.5, -0.5), 3.5)
        assert maps._room_for_labels(small, culture) == []


@pytest.mark.parametrize("kind", ["outlines", "cells", "graph"])
def test_the_framed_cell_is_in_the_legend(kind: str, culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    figure = figure_of(kind, culture, cell=9)
    (entry,) = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() == "cell 9"]
    assert entry.get_window_extent().y0 >= 0
