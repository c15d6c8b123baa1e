"""A made-up culture with its fit, in many variants, and what tests ask of a figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from picture_cultures import (
    all_sorts,
    as_traces,
    drifted,
    fit_for,
    fitted_culture,
    made_up_run,
    one_cell,
    tessellate,
    trained_by_pinn,
    with_parameters,
)

from calcigraph.pictures import style
from calcigraph.pictures.data import Firing, PictureData
from calcigraph.pictures.kinds import named
from calcigraph.store.types import FloatArray, LabelImage


@pytest.fixture(scope="session")
def culture() -> PictureData:
    """40 cells, fitted by crlsm, with the movie's first frame."""
    return fitted_culture()


@pytest.fixture(scope="session")
def labels() -> LabelImage:
    """The label image of `culture`."""
    return tessellate(40, 180)


@pytest.fixture(scope="session")
def alone() -> PictureData:
    """One square cell, without contacts."""
    return one_cell()


@pytest.fixture(scope="session")
def sorts() -> dict[str, PictureData]:
    """Cultures by what is unusual about them."""
    return {
        name: replace(data, registration=drifted(data.subgraph.intensity.shape[1]))
        for name, data in all_sorts().items()
    }


@pytest.fixture(scope="session")
def trained() -> Callable[..., PictureData]:
    return trained_by_pinn


@pytest.fixture(scope="session")
def for_kind() -> Callable[[str, PictureData], PictureData]:
    return fit_for


@pytest.fixture(scope="session")
def firing() -> Callable[..., Firing]:
    return made_up_run


@pytest.fixture(scope="session")
def from_traces() -> Callable[[PictureData], PictureData]:
    return as_traces


@pytest.fixture(scope="session")
def with_values() -> Callable[..., PictureData]:
    return with_parameters


# ------------------------------------------------------------------------------------------------------------ figures


@pytest.fixture(scope="session")
def figure_of() -> Callable[..., Figure]:
    """Draw a kind of picture as a figure, not into a file."""

    def drawn(kind: str, data: PictureData, frame: int = 0, cell: int | None = None) -> Figure:
        with style.journal_style():
            figure = named(kind).painter()(data, frame, () if cell is None else (cell,))
            figure.canvas.draw()
        return figure

    return drawn


@pytest.fixture(scope="session")
def texts() -> Callable[[Figure], set[str]]:
    """Every line of text of a figure."""

    def said(figure: Figure) -> set[str]:
        found = [text for text in figure.findobj(Text) if isinstance(text, Text)]
        return {line for text in found for line in text.get_text().split("\n")}

    return said


@pytest.fixture(scope="session")
def lines() -> Callable[[Axes], dict[str, FloatArray]]:
    """The y values of each labelled line."""
    return lambda axes: {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.lines}


@pytest.fixture(scope="session")
def spans() -> Callable[[Axes], list[tuple[float, float, float, float]]]:
    """(left, right, bottom, top) of each band."""

    def boxes(axes: Axes) -> list[tuple[float, float, float, float]]:
        found = [patch.get_bbox() for patch in axes.patches if hasattr(patch, "get_bbox")]
        return [(box.x0, box.x1, box.y0, box.y1) for box in found]

    return boxes
