"""A culture in napari: its movie, its cells to mend, its contacts, and a table of what is known of each cell."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import InputError, NotFoundError
from calcigraph.late import extra_module, missing_extra
from calcigraph.queries import run
from calcigraph.store.movie import StoredMovie

if TYPE_CHECKING:
    import pandas

    from calcigraph.store import Graph
    from calcigraph.store.types import Culture

LEFT_OUT = ("uid", "culture", "x_px", "y_px")
"""Columns of `query cells` that a table of one culture, with the cells before one's eyes, does not need."""
OF_EVENTS = ("events", "event_rate_per_h", "amplitude", "dff", "interval_s", "own_share")
"""Columns of `query rates` that the table has."""
AXES = ("frame", "y", "x")
WINDOW = (1400, 900)
"""Pixels of the screen: room for the cells beside the table."""
TABLE = ("napari", "Features table widget")
"""What shows the table of the chosen layer; a click on a row chooses its cell."""
CONTRAST = (0.5, 99.8)
"""Percentiles of the first and middle frame between which brightness is shown; reading all frames would take long."""


@dataclass(frozen=True)
class Layer:
    """One layer of napari."""

    data: Any
    """Arrays, in px."""
    values: Mapping[str, Any]
    """Its name, and what else `Viewer.add_<kind>` takes."""
    kind: str
    """image, labels, vectors or points."""


def layers(graph: Graph, culture: Culture, movie: StoredMovie) -> list[Layer]:
    """What is shown of a culture, from below upwards.

    Parameters
    ----------
    graph
        Where its cells are.
    culture
        As it is stored.
    movie
        Its movie store.

    Returns
    -------
    The denoised movie, whose frames are read when they are looked at; the cells as labels, with what is known of them;
    the contacts as lines between centroids; the centroids, with the same table.
    """
    features = features_of(graph, culture.uid)
    cells, contacts = (run(graph, name, culture=culture.uid) for name in ("cells", "contacts"))
    side, unit = (culture.pixel_size_um, "um") if culture.pixel_size_um else (1.0, "pixel")
    flat = {"scale": (side, side), "units": (unit, unit)}
    deep = {"scale": (1.0, side, side), "units": ("pixel", unit, unit)}
    drawn = {"name": "contacts", "vector_style": "line", "edge_width": 1, **flat}
    mendable = {"name": "cells", "opacity": 0.3, "features": _by_label(features), **flat}
    marked = {"name": "centroids", "size": 4, "features": features, **flat}
    return [
        Layer(_frames(movie), {"name": "movie", **deep, **_contrast(movie)}, "image"),
        Layer(movie.labels.copy(), mendable, "labels"),
        Layer(_lines(cells, contacts), drawn, "vectors"),
        Layer(cells[["y_px", "x_px"]].to_numpy(np.float64), marked, "points"),
    ]


def features_of(graph: Graph, culture: str) -> pandas.DataFrame:
    """A row per cell, in the order of labels: label, area, neighbours, parameters of the latest fits, event rates."""
    cells = run(graph, "cells", culture=culture).drop(columns=list(LEFT_OUT))
    try:
        rates = run(graph, "rates", culture=culture)
    except NotFoundError:  # no events were looked for
        return cells
    return cells.merge(rates[["label", *OF_EVENTS]], on="label", how="left")


def _by_label(features: pandas.DataFrame) -> pandas.DataFrame:
    """Features of a layer of labels: napari finds the row of a label by the column `index`."""
    return features.rename(columns={"label": "index"})


def _lines(cells: pandas.DataFrame, contacts: pandas.DataFrame) -> Any:
    """(m, 2, 2): where each contact begins, as row and column, and the way to its end."""
    place = cells.set_index("label")[["y_px", "x_px"]]
    ends = [place.loc[contacts[name]].to_numpy(np.float64) for name in ("label_a", "label_b")]
    return np.stack([ends[0], ends[1] - ends[0]], axis=1).reshape(-1, 2, 2)


def _frames(movie: StoredMovie) -> Any:
    """(T, Y, X) of dask: a frame is read when it is looked at."""
    array, delayed = importlib.import_module("dask.array"), importlib.import_module("dask").delayed
    frame = delayed(movie.frame, pure=True)
    shape = movie.shape[1:]
    return array.stack([array.from_delayed(frame(t), shape=shape, dtype=movie.dtype) for t in range(movie.shape[0])])


def _contrast(movie: StoredMovie) -> dict[str, Any]:
    seen = np.stack([movie.frame(0), movie.frame(movie.shape[0] // 2)])
    low, high = np.percentile(seen, CONTRAST).tolist()
    return {"contrast_limits": (low, high)} if high > low else {}


def fill(viewer: Any, shown: list[Layer]) -> None:
    """Put layers into a napari viewer, and choose the cells, so that they can be mended at once."""
    for layer in shown:
        add = getattr(viewer, f"add_{layer.kind}")
        add(layer.data, **layer.values)
    viewer.layers.selection.active = viewer.layers["cells"]
    viewer.dims.axis_labels = AXES
    viewer.dims.set_current_step(0, 0)
    # Since napari 0.9 overlays belong to the canvas.
    overlays = viewer.canvas.overlays if hasattr(viewer, "canvas") else viewer
    overlays.scale_bar.visible = True


def open_napari(title: str, shown: list[Layer]) -> None:
    """Show layers in a window, and return when it is closed.

    Raises
    ------
    MissingExtraError
        napari or its Qt is not installed.
    InputError
        There is no screen.
    """
    napari = require_napari()
    if sys.platform == "linux" and not any(os.environ.get(name) for name in _SCREENS):
        raise InputError("view opens a window, and there is no screen here: run it where you have a desktop")
    try:
        viewer = napari.Viewer(title=title)
    except ImportError as error:
        raise missing_extra(error, "napari", _WHAT, "napari") from error
    fill(viewer, shown)
    viewer.window.resize(*WINDOW)
    with contextlib.suppress(ValueError, KeyError):  # versions of napari without that table
        viewer.window.add_plugin_dock_widget(*TABLE)
    napari.run()


_WHAT = "cultures are viewed"
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
"""Variables of which one is set where a window can be opened; else Qt ends the process."""


def require_napari() -> Any:
    """The module napari. Raises MissingExtraError."""
    return extra_module("napari", _WHAT, "napari")
