"""What a picture needs, pulled from graph, movie store and models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.queries.pictures_data import KINDS, NEEDS_FIT, NEEDS_MODEL_TRACES, NEEDS_MOVIE, PictureData

if TYPE_CHECKING:
    from calcigraph.store.types import Culture, FloatArray, Subgraph
    from calcigraph.workspace import Workspace


def picture_data(workspace: Workspace, culture: str, kind: str, model: str, frame: int) -> PictureData:
    """Pull what `kind` draws and no more. Raises NotFoundError, WorkspaceError (the movie store is damaged)."""
    from calcigraph.queries import run

    about, subgraph = workspace.culture(culture), workspace.subgraph(culture)
    polygons = tuple(run(workspace.graph, "outlines", culture=culture)["polygon"])
    fitted = _fitted(workspace, subgraph, model) if kind in NEEDS_FIT or kind not in KINDS else {}
    if kind not in NEEDS_MODEL_TRACES:
        fitted.pop("traces", None)
    return PictureData(
        subgraph=subgraph,
        polygons=polygons if any(polygons) else None,
        pixel_size_um=about.pixel_size_um,
        height_px=about.height_px,
        width_px=about.width_px,
        image=_image(workspace, about, frame) if kind in NEEDS_MOVIE else None,
        image_frame=frame,
        model=model,
        **fitted,
    )


def _image(workspace: Workspace, culture: Culture, frame: int) -> FloatArray | None:
    from calcigraph.store.movie import open_store

    if culture.movie is None or not 0 <= frame < culture.frames:
        return None
    return open_store(workspace.folder / culture.movie).normalised(frame)


def _fitted(workspace: Workspace, subgraph: Subgraph, model: str) -> dict[str, Any]:
    """The latest fit of a model: per-cell columns, words, k, feed, and the free run; empty if there is none."""
    runs = workspace.query("fits", culture=subgraph.culture)
    runs = runs[runs["model"] == model]
    if runs.empty:
        return {}
    latest = runs.iloc[-1]
    table = workspace.query("cells", culture=subgraph.culture)
    columns = [str(name) for name in table.columns if str(name).startswith(f"{model}_")]
    words = [name for name in columns if table[name].dtype == object]
    cells = {name: table[name].to_numpy(dtype=np.float64) for name in columns if name not in words}
    return {
        "cells": cells,
        "words": {name: tuple(table[name]) for name in words},
        "k": _number(latest["k"]),
        "feed": _number(latest["feed"]),
        "traces": _free_runs(subgraph, json.loads(latest["options"]), cells, model),
    }


def _free_runs(
    subgraph: Subgraph, options: dict[str, Any], cells: dict[str, FloatArray], model: str
) -> dict[int, FloatArray]:
    from calcigraph.models import fitted_cells, predict

    rows = fitted_cells(subgraph, options)
    absent = np.full(len(subgraph.labels), np.nan)
    k, feed = (cells.get(f"{model}_{name}", absent)[rows] for name in ("k", "feed"))
    runs = predict(subgraph, options, k, feed)
    return dict(zip(subgraph.labels[rows].tolist(), runs, strict=True))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
