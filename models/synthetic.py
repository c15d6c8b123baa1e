"""Ground truth: a confluent culture whose coupling and feeds are known, its traces and its movie.

Inner cells obey models/consensus.py exactly, with a feed each and short calcium spikes that no model knows of; border
cells follow slow random processes and transients of their own, which is what the culture's excitation comes from.
Intensities are natural logarithms, around 0.5; a movie's brightness is proportional to their exponential, so its
eq. 23 traces (arXiv:2505.20327) are affine in them. Rates are in 1/s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.errors import InputError
from calcigraph.models.consensus import Operator, operator, simulate
from calcigraph.store.types import BoolArray, Contacts, FloatArray, IntArray, LabelImage, Subgraph

Frame = NDArray[np.uint16]

WEIGHTS = "distance*border"
MIN_BORDER_PX = 5
LEVEL = 0.5
"""Where traces start from; brightness is that of a cell at this log intensity."""
SUBSTEPS = 4
SPIKE_FRAMES = 3
FRAMES_AHEAD = 4
BORDER_TIME_S = 60.0
"""Time constant with which a border cell follows its own process."""


@dataclass(frozen=True)
class SyntheticOptions:
    """A culture of the paper's size by default. Raises InputError when made from values that make no sense."""

    cells: int = 108
    frames: int = 361
    size_px: int = 512
    frame_interval_s: float = 10.0
    k: float = 0.01
    """1/s, between weights divided by their mean over all contacts."""
    spikes: int = 3
    """Per cell and recording, each a feed of `spike_height` spread over 3 frames."""
    spike_height: float = 0.15
    feed_mean: float = 2e-5
    """Log intensity per second."""
    feed_spread: float = 2e-5
    trace_noise: float = 0.002
    """Standard deviation added to the traces (not to the movie, which has noise of its own)."""
    seed: int = 0
    brightness: float = 1500.0
    """Photons in the brightest parts of the tissue at a cell's usual intensity."""
    read_noise: float = 3.0
    hot_pixels: float = 5e-4
    """Share of pixels that are stuck high."""
    drift_px: float = 0.3
    """How far the tissue wanders from its place; the masks are those of the first frame."""
    bleaching: float = 0.0
    """Share of the light lost at the last frame."""
    background: float = 0.0
    """Counts added to every pixel; above 0 the logarithm of a movie is no longer affine in the traces."""
    style: str = "cytoplasm-bright"
    """How the tissue looks: one of models/tissue.py's STYLES."""
    contrast: float = 0.05
    """Share kept of the cells' static differences in brightness. They enter a movie's effective feeds: from about 0.2
    the paper's lower feed bound holds the coupling down with it."""

    def __post_init__(self) -> None:
        limits = {
            "cells": (4, 1_000_000),
            "frames": (2, 1_000_000),
            "size_px": (32, 16384),
            "frame_interval_s": (0.01, 1e5),
            "k": (0, 10),
            "spikes": (0, 1000),
            "spike_height": (0, 10),
            "feed_mean": (-1, 1),
            "feed_spread": (0, 1),
            "trace_noise": (0, 10),
            "seed": (0, 2**63),
            "brightness": (1, 20000),
            "read_noise": (0, 1000),
            "hot_pixels": (0, 0.05),
            "drift_px": (0, 10),
            "bleaching": (0, 0.95),
            "background": (0, 20000),
            "contrast": (0, 1),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not (isfinite(value) and low <= value <= high):
                raise InputError(f"{name} is {value}; a simulation takes {low:g} to {high:g}")
        from calcigraph.models.tissue import STYLES  # OpenCV: not when only fits are needed

        if self.style not in STYLES:
            raise InputError(f"unknown tissue style {self.style!r}; there are {', '.join(STYLES)}")


@dataclass(frozen=True)
class SyntheticCulture:
    """A simulated culture of n cells, sorted by label, and everything that is true of it."""

    options: SyntheticOptions
    labels: LabelImage
    """(Y, X)"""
    cells: IntArray
    """(n,), the labels."""
    area_px: FloatArray
    x_px: FloatArray
    y_px: FloatArray
    border: BoolArray
    """(n,), cells with a pixel on the image edge."""
    contacts: Contacts
    feed: FloatArray
    """(n,), NaN for border cells."""
    spikes: tuple[tuple[int, float], ...]
    """(label, second at which it starts), sorted."""
    intensity: FloatArray
    """(n, T), without noise."""
    traces: FloatArray
    """(n, T), with `trace_noise`."""

    def subgraph(self, culture: str = "synthetic") -> Subgraph:
        """The models' input as ingest would make it from noisy traces."""
        return _subgraph(self, culture)

    def operator(self) -> Operator:
        """The consensus operator that the traces obey."""
        return operator(self.subgraph(), WEIGHTS)


def make_culture(options: SyntheticOptions | None = None) -> SyntheticCulture:
    """Simulate a culture; the same options always give the same one.

    Tissue and biology have random streams of their own: k, noise and the like do not change where cells lie.

    Raises
    ------
    InputError
        The frame is too small for the cells, or every cell touches its edge.

    Examples
    --------
    >>> culture = make_culture(SyntheticOptions(cells=16, frames=20, size_px=128))
    >>> culture.traces.shape
    (16, 20)
    """
    from calcigraph.models.tissue import confluent_labels

    options = options or SyntheticOptions()
    shape = (options.size_px, options.size_px)
    labels = confluent_labels(shape, options.cells, np.random.default_rng([options.seed, 0]))
    geometry = _geometry(labels)
    if geometry["border"].all():
        raise InputError(f"all {options.cells} cells touch the image edge, so none is coupled; simulate more cells")
    still = np.zeros((len(geometry["cells"]), options.frames))
    draft = SyntheticCulture(options, labels, feed=still[:, 0], spikes=(), intensity=still, traces=still, **geometry)
    return _with_traces(draft)


def truth(culture: SyntheticCulture) -> dict[str, Any]:
    """All that is known, ready for JSON, by label in decimal: what a perfect fit would find.

    `feed` is the cells' own, in log intensity per second. `effective_feed` is what a movie can tell, in the same
    unit: a cell's static brightness tau_i adds -k (M tau)_i to it. A fit of the movie gives its feed in normalised
    units: divide by the intensity gain to compare. Border cells have null feeds: they are driven.
    """
    names = [str(label) for label in culture.cells.tolist()]
    contacts = culture.contacts
    columns = ("label_a", "label_b", "shared_border_px", "centroid_distance_px")
    rows = zip(*(getattr(contacts, column).tolist() for column in columns), strict=True)
    return {
        "k": culture.options.k,
        "k_unit": "1/s",
        "weights": WEIGHTS,
        "weight_scale": culture.operator().scale,
        "feed_unit": "log intensity per second",
        "feed": _by_label(names, culture.feed),
        "effective_feed": _by_label(names, effective_feed(culture)),
        "border": dict(zip(names, culture.border.tolist(), strict=True)),
        "area_px": _by_label(names, culture.area_px),
        "contacts": [dict(zip(columns, row, strict=True)) for row in rows],
        "spikes": [{"label": label, "time_s": time} for label, time in culture.spikes],
        "options": asdict(culture.options),
    }


def effective_feed(culture: SyntheticCulture) -> FloatArray:
    """gamma_i - k (M tau)_i, (n,), NaN for border cells; tau_i is the mean log brightness of the tissue in cell i,
    over the pixels whose 3 x 3 neighbourhood lies in it (ingest's default inset)."""
    tau = _brightness(culture.labels, np.log(_look(culture)))[culture.cells]
    op, result = culture.operator(), np.full(len(culture.cells), np.nan)
    result[op.inner] = culture.feed[op.inner] - culture.options.k * op.apply(tau[:, None])[:, 0]
    return result


def movie_frames(culture: SyntheticCulture) -> Iterator[Frame]:
    """The movie, frame by frame, (Y, X) uint16: brightness x exp(intensity), drift, shot and read noise, hot pixels."""
    from concurrent.futures import Future, ThreadPoolExecutor

    draw = _Camera(culture)
    with ThreadPoolExecutor(2) as pool:  # OpenCV and the random generator release the GIL
        ahead: deque[Future[Frame]] = deque()
        for frame in range(culture.options.frames):
            ahead.append(pool.submit(draw.frame, frame))
            if len(ahead) > FRAMES_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


class _Camera:
    """What all frames share; frame(t) depends on t and the seed only."""

    def __init__(self, culture: SyntheticCulture) -> None:
        options = culture.options
        self.options = options
        self.look = (options.brightness * _look(culture)).astype(np.float32)
        self.labels = culture.labels
        self.hot = _hot_pixels(options, self.look.shape)
        self.shifts = _drift(options)
        light = np.linspace(1, 1 - options.bleaching, options.frames)
        self.factor = np.zeros((int(culture.labels.max()) + 1, options.frames), dtype=np.float32)
        self.factor[culture.cells] = light * np.exp(culture.intensity - LEVEL)

    def frame(self, frame: int) -> Frame:
        import cv2

        photons = self.look * self.factor[:, frame][self.labels]
        move = np.array([[1, 0, self.shifts[0, frame]], [0, 1, self.shifts[1, frame]]], dtype=np.float32)
        counts = np.asarray(cv2.warpAffine(photons, move, photons.shape[::-1], borderMode=cv2.BORDER_REPLICATE))
        counts += np.float32(self.options.background)
        noise = np.random.default_rng([self.options.seed, 2, frame]).standard_normal(counts.shape, dtype=np.float32)
        noise *= np.sqrt(counts + np.float32(self.options.read_noise**2))
        counts += noise
        counts += self.hot
        return np.clip(np.rint(counts, out=counts), 0, 65535, out=counts).astype(np.uint16)


def _geometry(labels: LabelImage) -> dict[str, Any]:
    size = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=size).astype(np.float64)
    area[0] = 0
    cells = np.flatnonzero(area)
    y, x = np.indices(labels.shape)
    x_px, y_px = (np.bincount(labels.ravel(), axis.ravel(), size)[cells] / area[cells] + 0.5 for axis in (x, y))
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    position = np.zeros(size, dtype=np.int64)
    position[cells] = np.arange(len(cells))
    a, b, count = _shared_borders(labels)
    distance = np.hypot(x_px[position[a]] - x_px[position[b]], y_px[position[a]] - y_px[position[b]])
    return {
        "cells": cells,
        "area_px": area[cells],
        "x_px": x_px,
        "y_px": y_px,
        "border": np.isin(cells, edge),
        "contacts": Contacts(a, b, count.astype(np.float64), distance),
    }


def _shared_borders(labels: LabelImage) -> tuple[IntArray, IntArray, IntArray]:
    """Pairs of labels with at least 5 unlike 4-neighbour pixel pairs: smaller label, larger label, count."""
    first = np.concatenate([labels[:-1].ravel(), labels[:, :-1].ravel()]).astype(np.int64)
    second = np.concatenate([labels[1:].ravel(), labels[:, 1:].ravel()]).astype(np.int64)
    touch = (first != second) & (first > 0) & (second > 0)
    low, high = np.minimum(first, second)[touch], np.maximum(first, second)[touch]
    width = int(labels.max()) + 1
    pair, count = np.unique(low * width + high, return_counts=True)
    keep = count >= MIN_BORDER_PX
    return pair[keep] // width, pair[keep] % width, count[keep]


def _subgraph(culture: SyntheticCulture, name: str) -> Subgraph:
    contacts = culture.contacts
    pairs = np.searchsorted(culture.cells, np.stack([contacts.label_a, contacts.label_b], axis=1))
    return Subgraph(
        culture=name,
        frame_interval_s=culture.options.frame_interval_s,
        labels=culture.cells,
        x_px=culture.x_px,
        y_px=culture.y_px,
        border=culture.border,
        intensity=culture.traces,
        pairs=pairs,
        shared_border_px=contacts.shared_border_px,
        centroid_distance_px=contacts.centroid_distance_px,
        area_px=culture.area_px,
    )


def _with_traces(draft: SyntheticCulture) -> SyntheticCulture:
    options, op = draft.options, draft.operator()
    rng = np.random.default_rng([options.seed, 1])
    size, points = len(draft.cells), (options.frames - 1) * SUBSTEPS + 1
    step = options.frame_interval_s / SUBSTEPS
    feed = np.where(draft.border, np.nan, rng.normal(options.feed_mean, options.feed_spread, size))
    starts = np.sort(rng.integers(0, max(1, points - SPIKE_FRAMES * SUBSTEPS), (size, options.spikes)), axis=1)
    heights = options.spike_height * rng.uniform(0.6, 1.4, starts.shape)
    source = _spike_source(options, starts, heights, points)
    fine = np.empty((size, points))
    fine[:, 0] = LEVEL + rng.normal(0, 0.05, size)
    fine[op.driven] = _border_traces(options, source[op.driven], rng, step)
    drive = feed[op.inner][:, None] + source[op.inner]
    fine[op.inner] = simulate(op, options.k, drive, fine, step)
    intensity = fine[:, ::SUBSTEPS].copy()
    label_of = np.repeat(draft.cells, options.spikes).tolist()
    spikes = tuple(sorted(zip(label_of, (starts.ravel() * step).tolist(), strict=True)))
    noisy = intensity + options.trace_noise * rng.standard_normal(intensity.shape)
    known = {name: getattr(draft, name) for name in ("cells", "area_px", "x_px", "y_px", "border", "contacts")}
    return SyntheticCulture(options, draft.labels, feed=feed, spikes=spikes, intensity=intensity, traces=noisy, **known)


def _spike_source(options: SyntheticOptions, starts: IntArray, heights: FloatArray, points: int) -> FloatArray:
    """(n, points), intensity per second: each spike adds its height over 3 frames at a constant rate."""
    source = np.zeros((len(starts), points))
    rate = heights / (SPIKE_FRAMES * options.frame_interval_s)
    row = np.arange(len(starts))[:, None]
    for offset in range(SPIKE_FRAMES * SUBSTEPS):
        np.add.at(source, (row, np.minimum(starts + offset, points - 1)), rate)
    return source


def _border_traces(options: SyntheticOptions, source: FloatArray, rng: np.random.Generator, step: float) -> FloatArray:
    """(q, points): each border cell follows slow noise and transients of its own, and its spikes decay."""
    size, points = source.shape
    target = LEVEL + 0.1 * _slow_noise(rng, (size, points), 150.0 / step)
    seconds = points * step
    time = np.arange(points) * step
    for _ in range(round(seconds / 600)):
        centre, width = rng.uniform(0, seconds, (size, 1)), rng.uniform(30, 90, (size, 1))
        target += rng.uniform(0.1, 0.4, (size, 1)) * np.exp(-0.5 * ((time - centre) / width) ** 2)
    keep = np.exp(-step / BORDER_TIME_S)
    trace = np.empty_like(target)
    trace[:, 0] = target[:, 0]
    push = (1 - keep) * (target + BORDER_TIME_S * source)
    for point in range(1, points):
        trace[:, point] = keep * trace[:, point - 1] + push[:, point - 1]
    return trace


def _slow_noise(rng: np.random.Generator, shape: tuple[int, int], width: float) -> FloatArray:
    """White noise under a Gaussian window of `width` points, deviation 1; it does not wrap around."""
    reach = int(4 * width) + 1
    noise = rng.standard_normal((shape[0], shape[1] + 2 * reach))
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    length = noise.shape[1] + len(window)
    smooth = np.fft.irfft(np.fft.rfft(noise, length) * np.fft.rfft(window, length), length)
    return np.asarray(smooth[:, 2 * reach : 2 * reach + shape[1]] / np.sqrt((window**2).sum()))


def _look(culture: SyntheticCulture) -> FloatArray:
    """The tissue's static brightness, (Y, X), about 0 to 1."""
    from calcigraph.models.tissue import render

    look = render(culture.labels, np.random.default_rng([culture.options.seed, 3]), culture.options.style)
    log_look = np.log(look.astype(np.float64))
    tau = _brightness(culture.labels, log_look)
    mean = tau[culture.cells].mean()
    return np.asarray(np.exp(log_look - (1 - culture.options.contrast) * (tau - mean)[culture.labels]))


def _brightness(labels: LabelImage, log_look: FloatArray) -> FloatArray:
    """tau by label: each cell's mean over the pixels whose 3 x 3 neighbourhood lies in it, ingest's default inset."""
    inside = np.ones(labels.shape, dtype=np.bool_)
    padded = np.pad(labels, 1, mode="edge")
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            inside &= labels == padded[dy : dy + labels.shape[0], dx : dx + labels.shape[1]]
    size = int(labels.max()) + 1
    total = np.bincount(labels[inside], log_look[inside], size)
    return np.asarray(total / np.maximum(np.bincount(labels[inside], minlength=size), 1))


def _hot_pixels(options: SyntheticOptions, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng([options.seed, 4])
    hot = np.zeros(shape, dtype=np.float32)
    count = round(options.hot_pixels * hot.size)
    hot.ravel()[rng.choice(hot.size, count, replace=False)] = rng.uniform(5000, 40000, count)
    return hot


def _drift(options: SyntheticOptions) -> FloatArray:
    """(2, T), px in x and y: a slow path from 0 that comes as far as drift_px."""
    rng = np.random.default_rng([options.seed, 5])
    path = _slow_noise(rng, (2, options.frames), max(2.0, options.frames / 8))
    path -= path[:, :1]
    reach = float(np.hypot(*path).max())
    return path * (options.drift_px / reach if reach > 0 else 0.0)


def _by_label(names: list[str], values: FloatArray) -> dict[str, float | None]:
    return {name: value if isfinite(value) else None for name, value in zip(names, values.tolist(), strict=True)}
