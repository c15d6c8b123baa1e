"""Draw a culture: its frames, cells, graph, traces and fits, as in figures 2-7, 13-16 and 19 of arXiv:2505.20327.

Figures are one or two journal columns wide (3.5 or 7.2 inches), with text of 7 points or more and colours that
colour-blind readers can tell apart. matplotlib is imported only when something is drawn, and pyplot never is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.errors import InputError
from calcigraph.pictures.data import PictureData, check
from calcigraph.store.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = {".png": "png", ".pdf": "pdf", ".svg": "svg"}
# Without these a file would carry the time at which it was drawn.
UNDATED: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


def draw(
    kind: str,
    data: PictureData,
    path: str | os.PathLike[str],
    frame: int | None = None,
    cell: int | None = None,
    dpi: int = 200,
) -> Path:
    """Write one picture and return its path; the file appears complete or not at all.

    Parameters
    ----------
    kind
        One of KINDS. frame: a normalised frame. outlines: the frame with the cells' outlines and labels. cells:
        polygons filled by intensity. graph: cells as nodes, contacts as edges (width: shared border, shade:
        distance). traces: observed and model. error: mean squared error per cell. parameters: feed and coupling with
        95 % intervals. training: losses and paths of the parameters, of a model that trains.
    data
        The culture; frame and outlines need `image`, traces, error, parameters and training need a fit.
    path
        A .png, .pdf or .svg file in a folder that exists; an older file of that name is replaced.
    frame
        From 0; by default `data.image_frame`. Fits do not depend on it.
    cell
        A label: its traces are drawn alone, in the maps it is framed.
    dpi
        Pixels per inch, 50 to 1200 (PNG, and what is rasterised in the other formats).

    Raises
    ------
    InputError
        Unknown kind, suffix or frame, a missing folder, a file that cannot be written, or no movie or outlines.
    NotFoundError
        No such label, no fit yet, or a model that does not train.
    """
    target = Path(path)
    check(kind, data, data.image_frame if frame is None else frame, cell)
    form = _check_target(target)
    if not 50 <= dpi <= 1200:
        raise InputError(f"dpi is {dpi}, expected 50 to 1200")
    number = data.image_frame if frame is None else frame
    _replace(target, _render(kind, data, number, cell, form, dpi))
    return target


def _painter(kind: str) -> Callable[[PictureData, int, int | None], Figure]:
    from calcigraph.pictures import fit_error, maps, parameters, traces, training

    return {
        "frame": maps.draw_frame,
        "outlines": maps.draw_outlines,
        "cells": maps.draw_cells,
        "graph": maps.draw_graph,
        "traces": traces.draw_traces,
        "error": fit_error.draw_error,
        "parameters": parameters.draw_parameters,
        "training": training.draw_training,
    }[kind]


def _render(kind: str, data: PictureData, frame: int, cell: int | None, form: str, dpi: int) -> bytes:
    from calcigraph.pictures.style import journal_style

    buffer = BytesIO()
    with journal_style():
        figure = _painter(kind)(data, frame, cell)
        title = {"Title": f"{data.culture}: {kind}"}
        figure.savefig(buffer, format=form, dpi=dpi, metadata=title | UNDATED[form])
    return buffer.getvalue()


def _check_target(path: Path) -> str:
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise InputError(f"cannot tell the format of {str(path)!r}: name it .png, .pdf or .svg")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}; make it first")
    if path.is_dir():
        raise InputError(f"cannot write {str(path)!r}: it is a folder")
    return form


def _replace(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, lambda draft: draft.write_bytes(content))
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
