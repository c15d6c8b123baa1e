"""The picture of shifts has every frame's shift at its time, in px and in micrometres, and turns if there are any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from legible import assert_legible
from matplotlib.figure import Figure

from calcigraph.errors import InputError
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.render import draw


def without_turns(data: PictureData) -> PictureData:
    return replace(data, registration={key: value for key, value in data.registration.items() if key != "degrees"})


@pytest.mark.parametrize("size", [0.65, None])
def test_shifts_stand_at_their_times(
    culture: PictureData, figure_of: Callable[..., Figure], size: float | None
) -> None:
    times = np.cumsum(np.r_[0.0, np.full(80, 10.0), np.full(10, 25.0)])
    data = without_turns(replace(culture, pixel_size_um=size, subgraph=replace(culture.subgraph, time_s=times)))
    figure = figure_of("shifts", data)
    (panel,) = figure.axes
    lines = {line.get_label(): line for line in panel.get_lines()}
    for name, key in (("x, to the right", "x_px"), ("y, downwards", "y_px")):
        np.testing.assert_allclose(lines[name].get_xdata(), times / 60)
        np.testing.assert_allclose(lines[name].get_ydata(), data.registration[key])
    right = [axes for axes in panel.child_axes if axes.get_ylabel() == "shift (µm)"]
    assert len(right) == (size is not None)
    if size is not None:
        figure.canvas.draw()
        np.testing.assert_allclose(right[0].get_ylim(), np.array(panel.get_ylim()) * size)
    else:  # the helper does not know axes within axes
        assert_legible(figure)


def test_turns_have_a_panel(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    figure = figure_of("shifts", culture)
    assert [axes.get_ylabel() for axes in figure.axes] == ["shift (px)", "turn, clockwise (°)"]
    np.testing.assert_allclose(figure.axes[1].get_lines()[0].get_ydata(), np.linspace(0, 0.65, 91))
    assert_legible(figure)


def test_what_was_not_registered_is_refused(culture: PictureData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was not registered, so it has no shifts; ingest it with --register shift"):
        draw("shifts", replace(culture, registration={}), tmp_path / "a.png")
    with pytest.raises(InputError, match="leave out the cell"):
        draw("shifts", culture, tmp_path / "a.png", cell=3)
