"""What a picture needs, pulled from graph, movie store and models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.pictures.data import DRAWS_CURVES, NEEDS_FIT, NEEDS_MODEL_TRACES, NEEDS_MOVIE, PictureData, Training
from calcigraph.queries import rows, run
from calcigraph.queries import subgraph as pull

if TYPE_CHECKING:
    from pathlib import Path

    from calcigraph.store import Graph
    from calcigraph.store.types import Culture, FloatArray, Subgraph


def picture_data(graph: Graph, about: Culture, movie: Path | None, kind: str, model: str, frame: int) -> PictureData:
    """Pull what `kind` draws of a culture, and no more.

    Raises NotFoundError (no such store), WorkspaceError (the movie store is damaged).
    """
    subgraph = pull(graph, about.uid)
    polygons = tuple(row["polygon"] for row in rows(graph, "outlines", culture=about.uid)[1])
    fitted = _fitted(graph, subgraph, model, kind) if kind in NEEDS_FIT else {}
    return PictureData(
        subgraph=subgraph,
        polygons=polygons if any(polygons) else None,
        pixel_size_um=about.pixel_size_um,
        height_px=about.height_px,
        width_px=about.width_px,
        image=_image(movie, about, frame) if kind in NEEDS_MOVIE else None,
        image_frame=frame,
        condition=about.condition,
        model=model,
        **fitted,
    )


def _image(movie: Path | None, about: Culture, frame: int) -> FloatArray | None:
    from calcigraph.store.movie import open_store

    return open_store(movie).normalised(frame) if movie is not None and 0 <= frame < about.frames else None


def _fitted(graph: Graph, subgraph: Subgraph, model: str, kind: str) -> dict[str, Any]:
    """The latest fit of a model: per-cell columns, words, k, feed, free run, training; empty if there is none."""
    runs = [row for row in rows(graph, "fits", culture=subgraph.culture)[1] if row["model"] == model]
    if not runs:
        return {}
    latest, table = runs[-1], run(graph, "cells", culture=subgraph.culture)
    columns = [str(name) for name in table.columns if str(name).startswith(f"{model}_")]
    words = [name for name in columns if table[name].dtype == object]
    cells = {name: table[name].to_numpy(dtype=np.float64) for name in columns if name not in words}
    options = json.loads(latest["settings"])
    return {
        "case": latest["case"],
        "cells": cells,
        "words": {name: tuple(table[name]) for name in words},
        "k": latest["k"],
        "k_interval": _interval(latest, "k"),
        "feed": latest["feed"],
        "feed_interval": _interval(latest, "feed"),
        "bounds": {name: tuple(options[f"{name}_bounds"]) for name in ("k", "feed") if options.get(f"{name}_bounds")},
        "traces": _free_runs(subgraph, options, cells, model) if kind in NEEDS_MODEL_TRACES else {},
        **(_trained(graph, subgraph, latest["run"], options) if kind in DRAWS_CURVES else {}),
    }


def _interval(row: dict[str, Any], name: str) -> tuple[float, float] | None:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return None if low is None or high is None else (low, high)


def _trained(graph: Graph, subgraph: Subgraph, run_uid: str, options: dict[str, Any]) -> dict[str, Any]:
    """What the training of a fit left (Fit.curves); empty for a model that does not train."""
    found = rows(graph, "curves", run=run_uid)[1]
    if not found or not found[0]["curves"]:
        return {}
    from calcigraph.models import fitted_cells

    curves = json.loads(found[0]["curves"])
    names = ("epoch", "data_loss", "physics_loss", "k", "feed")
    blocks = [[np.array(block[name], dtype=np.float64) for name in names] for block in curves["blocks"]]
    # A network knows only the frames it was trained on.
    traces = np.full((len(curves["traces"]), subgraph.intensity.shape[1]), np.nan)
    for row, trace in zip(traces, curves["traces"], strict=True):
        row[: len(trace)] = trace
    labels = subgraph.labels[fitted_cells(subgraph, options)].tolist()
    return {
        "training": tuple(Training(*block) for block in blocks),
        "network": dict(zip(labels, traces, strict=True)) if len(traces) else {},  # too many to be kept
    }


def _free_runs(
    subgraph: Subgraph, options: dict[str, Any], cells: dict[str, FloatArray], model: str
) -> dict[int, FloatArray]:
    from calcigraph.models import fitted_cells, predict

    rows = fitted_cells(subgraph, options)
    absent = np.full(len(subgraph.labels), np.nan)
    k, feed = (cells.get(f"{model}_{name}", absent)[rows] for name in ("k", "feed"))
    leaks = np.nan_to_num(cells.get(f"{model}_leak", absent)[rows])
    runs = predict(subgraph, options, k, feed, float(leaks[0]))  # one leak for all
    return dict(zip(subgraph.labels[rows].tolist(), runs, strict=True))
