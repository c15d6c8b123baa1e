"""Made-up cultures to draw: cells, recordings, fits, events, forecasts, and what is unlike the usual."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import shapely
from scipy.spatial import cKDTree

from calcigraph.pictures.data import Firing, Forecasted, PictureData, Training
from calcigraph.store.event_types import Events, Links, Wave, no_events
from calcigraph.store.types import FloatArray, IntArray, LabelImage, Subgraph


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
def fitted_culture(cells: int = 40, side: int = 180, frames: int = 91) -> PictureData:
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
        model="crlsm",
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
        firing=made_up_run(graph),
        forecast=made_up_forecast(graph),
        registration=drifted(frames),
    )


def made_up_forecast(graph: Subgraph, ahead: int = 5) -> Forecasted:
    """Every cell stays where it is; the last ones are the most likely to light up."""
    expected = np.repeat(graph.intensity[:, -1:], ahead, axis=1)
    told = np.linspace(0.01, 0.3, 10)
    return Forecasted(
        labels=graph.labels,
        expected=expected,
        expected_low=expected - 0.05,
        expected_high=expected + 0.1,
        probability=np.linspace(0.05, 0.6, len(graph.labels)),
        within_s=50.0,
        skill=np.linspace(0.3, 0.02, ahead),
        told=told,
        came=told**1.1,
        contact_word="contacts help",
    )


def drifted(frames: int) -> dict[str, object]:
    """Shifts and turns as a registration keeps them."""
    x, y = np.linspace(0, 6.5, frames), -np.linspace(0, 3, frames)
    about = {"largest_px": 7.16, "moved": frames - 7, "lost": 0, "degrees": (x / 10).tolist()}
    return {"x_px": x.tolist(), "y_px": y.tolist(), **about}


def made_up_events(label: IntArray, half_s: FloatArray) -> Events:
    """Events of half a minute with these half rises, sorted by cell and time."""
    order = np.lexsort((half_s, label))
    same = {name: np.full(len(label), value) for name, value in (("amplitude", 0.3), ("dff", 0.4), ("snr", 9.0))}
    times = {name: half_s[order] + shift for name, shift in (("onset_s", -5), ("half_s", 0), ("peak_s", 5))}
    rest = {name: np.zeros(len(label), column.dtype) for name, column in vars(no_events()).items()}
    return Events(**rest | same | times | {"label": label[order], "end_s": half_s[order] + 30})


def made_up_run(graph: Subgraph, speed: float = 3.0) -> Firing:
    """After 2/9 of the recording a wave from the first cell, after 5/9 a flash, after 7/9 an event of the last cell."""
    ninth = (graph.intensity.shape[1] - 1) * graph.frame_interval_s / 9
    far = np.hypot(graph.x_px - graph.x_px[0], graph.y_px - graph.y_px[0])
    half_s = np.concatenate([2 * ninth + far / speed, np.full(len(far), 5 * ninth), [7 * ninth]])
    events = made_up_events(np.append(np.tile(graph.labels, 2), graph.labels[-1]), half_s)
    first = np.flatnonzero(events.number() == 1)
    in_turn = first[np.argsort(events.half_s[first], kind="stable")]
    ends = np.sort(events.half_s[first[graph.pairs]], axis=1)
    order = np.argsort(events.half_s[first[graph.pairs]], axis=1)
    before, after = np.take_along_axis(first[graph.pairs], order, axis=1).T
    links = Links(before=before, after=after, lag_s=ends[:, 1] - ends[:, 0], tie=ends[:, 1] == ends[:, 0], p=ends[:, 0])
    known = {"speed_low_px_s": 0.9 * speed, "speed_high_px_s": 1.1 * speed, "direction_deg": None, "radial": True}
    wave = Wave(
        kind="wave", events=in_turn, starts=graph.labels[:1], onset_s=2 * ninth, duration_s=float(far.max()) / speed,
        speed_px_s=speed, origin_x_px=float(graph.x_px[0]), origin_y_px=float(graph.y_px[0]), p=0.005, q=0.01, **known,
    )  # fmt: skip
    nothing = dict.fromkeys(("speed_px_s", *known, "origin_x_px", "origin_y_px")) | {"duration_s": 0.0}
    flash = replace(wave, kind="flash", events=first + 1, starts=graph.labels[:0], onset_s=5 * ninth, **nothing)
    return Firing(events=events, links=links, waves=(wave, flash), labels=graph.labels)


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


def trained_by_pinn(data: PictureData, networks: int = 3, blocks: int = 1) -> PictureData:
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
    return Training(
        epoch=epoch,
        data_loss=loss,
        physics_loss=decay + 0.03,
        k=k,
        feed=2e-5 + 1e-4 * decay * np.cos(epoch / 9),
    )


def fit_for(kind: str, data: PictureData) -> PictureData:
    return trained_by_pinn(data) if kind == "training" else data


def as_traces(data: PictureData) -> PictureData:
    """The same cells as a recording that came as traces with positions."""
    graph = replace(data.subgraph, shared_border_px=np.full(len(data.subgraph.pairs), np.nan), area_px=None)
    return replace(data, subgraph=graph, polygons=None, image=None, height_px=None, width_px=None, pixel_size_um=None)


def with_parameters(data: PictureData, **values: float) -> PictureData:
    """Every inner cell gets the same parameter."""
    inner = ~data.subgraph.border
    changed = {f"crlsm_{name}": np.where(inner, value, np.nan) for name, value in values.items()}
    return replace(data, cells={**data.cells, **changed})


def at_bounds(data: PictureData) -> PictureData:
    """Every feed below 0 lies at the lower bound, the culture's own k at the median."""
    feed, own = data.cells["crlsm_feed"], data.cells["crlsm_k_cell"]
    cells = {**data.cells, "crlsm_feed": np.maximum(feed, 0.0)}
    return replace(data, cells=cells, bounds={"k": (1e-3, 0.1), "feed": (0.0, None)}, k=float(np.nanmedian(own)))


def stretched(data: PictureData, across: float, down: float) -> PictureData:
    """The positions of a recording without masks, pulled to a strip."""
    graph = data.subgraph
    x, y = graph.x_px * across, graph.y_px * down
    a, b = graph.pairs.T
    graph = replace(graph, x_px=x, y_px=y, centroid_distance_px=np.hypot(x[a] - x[b], y[a] - y[b]))
    return as_traces(replace(data, subgraph=graph))


def one_cell(frames: int = 1) -> PictureData:
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
        model="crlsm",
        subgraph=graph,
        polygons=("POLYGON ((0 0, 20 0, 20 20, 0 20, 0 0))",),
        image=np.full((20, 20), 0.4),
        cells={"crlsm_k_cell": np.array([0.01]), "crlsm_feed": np.zeros(1), "crlsm_mse_train": np.zeros(1)},
        traces={7: np.full(frames, 0.4)},
        firing=made_up_run(graph),
        forecast=made_up_forecast(graph),
    )


def all_sorts() -> dict[str, PictureData]:
    """Cultures that each break a picture in their own way."""
    usual = fitted_culture()
    diverged = {label: np.where(np.arange(len(trace)) > 40, np.nan, trace) for label, trace in usual.traces.items()}
    return {
        "usual": usual,
        "four cells": fitted_culture(4, 60, 40),
        "traces": as_traces(usual),
        "wide": stretched(usual, 6, 1),
        "tall": stretched(usual, 1, 6),
        "no feed": with_parameters(usual, feed=np.nan),
        "constant": with_parameters(usual, feed=2e-5, k_cell=0.011, mse_train=0.003),
        "ungrouped": replace(usual, words={}, k=None, feed=None, pixel_size_um=None),
        "diverged": replace(usual, traces=diverged),
        "at bounds": at_bounds(usual),
        "trained": trained_by_pinn(usual),
        "trained in blocks": trained_by_pinn(as_traces(usual), 4, 6),
        "trained once": replace(trained_by_pinn(with_parameters(usual, feed=np.nan), 1), k_interval=None, feed=None),
        "one cell": one_cell(frames=30),
        "one frame": one_cell(),
    }
