"""What a picture needs, pulled from graph, movie store and models."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.models.table import model_named
from calcigraph.pictures.data import PictureData, Sourced, Training
from calcigraph.pictures.kinds import Kind, named
from calcigraph.pictures.pull_events import firing_of
from calcigraph.pictures.pull_forecast import forecast_of
from calcigraph.queries import rows, run
from calcigraph.queries import subgraph as pull

if TYPE_CHECKING:
    from calcigraph.store import Graph
    from calcigraph.store.location import Location
    from calcigraph.store.types import Culture, FloatArray


LASTING = "decorrelation"
"""The estimator whose sources last. Model robust gives way to it where brief sources do not describe the cells."""


def picture_data(
    graph: Graph,
    about: Culture,
    movie: Location | None,
    kind: str,
    model: str,
    frame: int,
    wave: int | None = None,
    dff: bool = False,
) -> PictureData:
    """Pull what a kind of picture draws of a culture, and no more.

    Parameters
    ----------
    about
        The culture as stored.
    movie
        Its movie store; None for cultures that came as traces.
    kind
        One of KINDS.
    model
        The model whose latest fit is drawn. Without a fit the result has no fitted values; `draw` then refuses the
        kinds that need them.
    frame
        The frame to draw, from 0.
    wave
        The number of the wave that is drawn alone; None for the largest ones.
    dff
        Whether kind raster shows dF/F0 in place of intensity.

    Raises
    ------
    InputError
        No such kind, or a culture without cells.
    NotFoundError
        No such movie store.
    WorkspaceError
        The movie store is damaged.
    """
    chosen = named(kind)
    polygons = tuple(row["polygon"] for row in rows(graph, "outlines", culture=about.uid)[1])
    data = PictureData(
        subgraph=pull(graph, about.uid),
        polygons=polygons if any(polygons) else None,
        pixel_size_um=about.pixel_size_um,
        height_px=about.height_px,
        width_px=about.width_px,
        image=_image(movie, about, frame) if chosen.needs_movie else None,
        image_frame=frame,
        condition=about.condition,
        model=model,
        wave=wave,
        dff=dff,
        registration=about.registration,
        firing=firing_of(graph, about.uid) if chosen.needs_events else None,
        forecast=forecast_of(graph, about.uid) if chosen.needs_forecast else None,
    )
    return _with_fit(graph, data, chosen) if chosen.needs_fit else data


def with_fit(graph: Graph, data: PictureData, model: str, kind: str) -> PictureData:
    """The same culture with the latest fit of another model, as far as a kind of picture draws it.

    Parameters
    ----------
    data
        Of `picture_data`.
    model, kind
        As for `picture_data`.

    Raises
    ------
    InputError
        No such kind.
    """
    return _with_fit(graph, replace(data, model=model), named(kind))


def _image(movie: Location | None, about: Culture, frame: int) -> FloatArray | None:
    """The normalised frame (eq. 23); None without a movie, and for a frame that the movie does not have."""
    from calcigraph.store.movie import open_store

    return open_store(movie).normalised(frame) if movie is not None and 0 <= frame < about.frames else None


def _with_fit(graph: Graph, data: PictureData, kind: Kind) -> PictureData:
    """The same culture with its model's latest fit, if there is one."""
    there = rows(graph, "fits", culture=data.culture)[1]
    fits = [row for row in there if row["model"] == data.model]
    if not fits:
        return replace(data, other_models=tuple(dict.fromkeys(row["model"] for row in there)))
    latest, table = fits[-1], run(graph, "cells", culture=data.culture)
    columns = [str(name) for name in table.columns if str(name).startswith(f"{data.model}_")]
    words = [name for name in columns if table[name].dtype == object]
    options, facts = (json.loads(latest[name]) for name in ("settings", "facts"))
    data = replace(
        data,
        case=latest["case"],
        weights=options.get("weights"),
        weight_scale=facts.get("weight_scale"),
        cells={name: table[name].to_numpy(dtype=np.float64) for name in columns if name not in words},
        words={name: tuple(table[name]) for name in words},
        k=latest["k"],
        k_interval=_interval(latest, "k"),
        k_word=latest["identified"] or "",
        feed=latest["feed"],
        feed_interval=_interval(latest, "feed"),
        bounds={name: tuple(options[f"{name}_bounds"]) for name in ("k", "feed") if options.get(f"{name}_bounds")},
    )
    if kind.needs_model_traces:
        data = _with_runs(data, options, facts)
    return _with_training(graph, data, latest["run"], options) if kind.draws_curves else data


def _interval(row: dict[str, Any], name: str) -> tuple[float, float] | None:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return None if low is None or high is None else (low, high)


def _with_runs(data: PictureData, options: dict[str, Any], facts: dict[str, Any]) -> PictureData:
    """The same culture with its free run and, if the model finds sources, the run with them."""
    from calcigraph.models import fitted_cells, predict
    from calcigraph.models.own_sources import sourced_run

    inner = fitted_cells(data.subgraph, options)
    labels = data.subgraph.labels[inner].tolist()
    k, feed = (data.values(name)[inner] for name in ("k", "feed"))
    # All cells have the same leak; NaN: fitted without.
    leak, scale = float(np.nan_to_num(data.values("leak")[inner])[0]), facts.get("weight_scale")
    free = predict(data.subgraph, options, k, feed, leak, weight_scale=scale)
    data = replace(data, traces=dict(zip(labels, free, strict=True)))
    if not model_named(data.model).finds_sources:
        return data
    lasting = facts.get("estimator", data.model) == LASTING
    found = sourced_run(data.subgraph, options, k, feed, leak, scale, lasting=lasting)
    parts = zip(labels, found.run, found.inflow, found.own, strict=True)
    return replace(data, sourced={label: Sourced(run=run, inflow=flow, own=own) for label, run, flow, own in parts})


def _with_training(graph: Graph, data: PictureData, run_uid: str, options: dict[str, Any]) -> PictureData:
    """The same culture with what the training of its fit left (Fit.curves), if the model trains."""
    found = rows(graph, "curves", run=run_uid)[1]
    if not found or not found[0]["curves"]:
        return data
    from calcigraph.models import fitted_cells

    curves = json.loads(found[0]["curves"])
    traces = np.full((len(curves["traces"]), data.subgraph.intensity.shape[1]), np.nan)
    # A network knows only the frames it was trained on.
    for row, trace in zip(traces, curves["traces"], strict=True):
        row[: len(trace)] = trace
    labels = data.subgraph.labels[fitted_cells(data.subgraph, options)].tolist()
    return replace(
        data,
        training=tuple(_training(block) for block in curves["blocks"]),
        # The traces of a large culture are not kept with its fit.
        network=dict(zip(labels, traces, strict=True)) if len(traces) else {},
    )


def _training(block: dict[str, Any]) -> Training:
    """One network's part of Fit.curves."""

    def column(name: str) -> FloatArray:
        return np.array(block[name], dtype=np.float64)

    return Training(
        epoch=column("epoch"),
        data_loss=column("data_loss"),
        physics_loss=column("physics_loss"),
        k=column("k"),
        feed=column("feed"),
    )
