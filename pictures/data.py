"""What a picture needs, checked once: no matplotlib here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from calcigraph.errors import InputError, NotFoundError
from calcigraph.store.types import BoolArray, FloatArray, Subgraph

KINDS = ("frame", "outlines", "cells", "graph", "traces", "error", "parameters", "training")
NEEDS_MOVIE = frozenset({"frame", "outlines"})
"""Kinds that draw `PictureData.image`: the normalised frame and its number must be given."""
NEEDS_FIT = frozenset({"traces", "error", "parameters", "training"})
"""Kinds that draw `PictureData.cells` (and `words`, `k`, `feed` where there are any)."""
NEEDS_MODEL_TRACES = frozenset({"traces"})
"""Kinds that draw `PictureData.traces`."""
DRAWS_CURVES = frozenset({"training", "traces"})
"""Kinds that draw what a model's training left, `PictureData.training` or `network`; traces do without."""
NEEDS_OUTLINES = frozenset({"outlines"})
GROUPS = ("good", "misses peaks", "wrong magnitude")
TRAINED = "pinn"
"""The model that trains."""
WORDS = ("identified", "weak", "not identified")
"""What a fit says of each cell's own coupling."""


@dataclass(frozen=True)
class Training:
    """How one network trained: H recorded epochs, E networks of an ensemble. A large culture has several."""

    epoch: FloatArray
    """(H,)"""
    data_loss: FloatArray
    """(H,)"""
    physics_loss: FloatArray
    """(H,)"""
    k: FloatArray
    """(E, H), 1/s, median over cells."""
    feed: FloatArray
    """(H,), median over cells, normalised intensity per second."""

    @property
    def held(self) -> int:
        """Recorded epochs at the start in which the network stood still and only the parameters moved."""
        moved = np.flatnonzero(self.data_loss != self.data_loss[:1])
        return int(moved[0]) if len(moved) and moved[0] > 1 else 0


@dataclass(frozen=True)
class PictureData:
    """One culture, ready to draw. `n` cells in the order of `subgraph.labels`.

    Raises InputError where lengths do not agree.
    """

    subgraph: Subgraph
    polygons: tuple[str | None, ...] | None = None
    """(n,) WKT, y down, pixel corners at integers; None for cultures that came as traces."""
    pixel_size_um: float | None = None
    """None: the scale bar is in pixels."""
    height_px: int | None = None
    width_px: int | None = None
    image: FloatArray | None = None
    """(Y, X), one normalised frame; needed by the kinds in NEEDS_MOVIE."""
    image_frame: int = 0
    """The number of that frame, from 0."""
    condition: str | None = None
    """What was done to the culture, as at ingest; for the caption, like `case`."""
    model: str = "crlsm"
    case: str | None = None
    """The case of that fit (Fit.case); None: not fitted."""
    cells: Mapping[str, FloatArray] = field(default_factory=dict)
    """(n,) per node property, such as "crlsm_k_cell", "crlsm_feed", "crlsm_mse_train"; NaN: not fitted."""
    words: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    """(n,) per node property, such as "crlsm_group"; None or "": not fitted."""
    k: float | None = None
    """1/s, the fit's shared coupling (Fit.k)."""
    k_interval: tuple[float, float] | None = None
    """1/s, 95 %."""
    feed: float | None = None
    """The fit's shared feed (Fit.feed), normalised intensity per second."""
    feed_interval: tuple[float, float] | None = None
    bounds: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """The fit's "k" (1/s) and "feed" bounds, None where open; parameters marks the cells that lie at one."""
    traces: Mapping[int, FloatArray] = field(default_factory=dict)
    """label -> (T,), the model's free run."""
    network: Mapping[int, FloatArray] = field(default_factory=dict)
    """label -> (T,), the traces of the network itself where the model has one; NaN beyond what it was trained on."""
    training: tuple[Training, ...] = ()
    """One per network that was trained; empty where the model does not train."""

    def __post_init__(self) -> None:
        n, frames = self.subgraph.intensity.shape
        if n == 0:
            raise InputError(f"culture {self.culture!r} has no cells to draw")
        columns = {name: len(column) for name, column in self.cells.items()}
        columns |= {name: len(column) for name, column in self.words.items()}
        if self.polygons is not None:
            columns["polygons"] = len(self.polygons)
        for name, length in columns.items():
            if length != n:
                raise InputError(f"{name} has {length} entries, expected one for each of the {n} cells")
        for label, trace in (*self.traces.items(), *self.network.items()):
            if len(trace) != frames:
                raise InputError(f"the model trace of cell {label} has {len(trace)} frames, the recording {frames}")
        if self.image is not None and self.image.ndim != 2:
            raise InputError(f"a frame is a 2-D array (Y, X), not of shape {self.image.shape}")

    @property
    def culture(self) -> str:
        return self.subgraph.culture

    @property
    def from_traces(self) -> bool:
        """Whether the culture has no masks, only positions: cells are drawn as discs."""
        return self.polygons is None or not any(self.polygons)

    @property
    def intensity_unit(self) -> str:
        return "intensity (a.u.)" if self.from_traces else "normalised intensity"

    @property
    def rate_unit(self) -> str:
        """Of the feed, intensity per second."""
        return "a.u. s$^{-1}$" if self.from_traces else "s$^{-1}$"

    def about(self) -> str:
        """Culture and condition."""
        return f"{self.culture} ({self.condition})" if self.condition else self.culture

    def about_fit(self) -> str:
        """Model and case."""
        return f"{self.model}, {self.case}" if self.case else self.model

    def values(self, parameter: str) -> FloatArray:
        """(n,) of one fitted parameter, all NaN when the fit does not have it."""
        found = self.cells.get(f"{self.model}_{parameter}")
        if found is None:
            return np.full(len(self.subgraph.labels), np.nan)
        values = np.asarray(found, dtype=np.float64)
        return np.where(np.isfinite(values), values, np.nan)

    def interval(self, parameter: str) -> tuple[FloatArray, FloatArray]:
        """(n,) each: the ends of a fitted parameter's 95 % interval, NaN where there is none."""
        return self.values(f"{parameter}_low"), self.values(f"{parameter}_high")

    def coupling(self) -> tuple[FloatArray, str]:
        """(n,) the cells' own coupling and its name: k_cell, else k (fits of single cells)."""
        own = self.values("k_cell")
        return (own, "k_cell") if np.isfinite(own).any() else (self.values("k"), "k")

    def at_bound(self, parameter: str) -> BoolArray:
        """(n,) whether a cell's parameter ("k", "k_cell", "feed") is one of its bounds."""
        values = self.values(parameter)
        near = np.zeros(len(values), dtype=np.bool_)
        for bound in self.bounds.get("feed" if parameter == "feed" else "k", ()):
            if bound is not None:
                near |= np.isclose(values, bound, rtol=1e-6, atol=1e-12)
        return near

    def groups(self) -> tuple[str, ...]:
        """(n,) the fit group of each cell, "" where there is none."""
        found = self.words.get(f"{self.model}_group")
        return ("",) * len(self.subgraph.labels) if found is None else tuple(word or "" for word in found)

    def identified(self) -> tuple[str, ...]:
        """(n,) one of WORDS for each fitted cell, "" where there is none."""
        found = self.words.get(f"{self.model}_identified")
        return ("",) * len(self.subgraph.labels) if found is None else tuple(word or "" for word in found)

    def fitted(self) -> BoolArray:
        """(n,) whether the cell has any fitted value."""
        names = ("k_cell", "k", "feed", "mse_train", "mse_test")
        found: BoolArray = np.isfinite(np.array([self.values(name) for name in names])).any(axis=0)
        return found

    def row(self, label: int) -> int:
        """Index of a cell; NotFoundError if there is no such label."""
        labels = self.subgraph.labels
        rows = np.flatnonzero(labels == label)
        if len(rows) == 0:
            raise NotFoundError(
                f"culture {self.culture!r} has no cell {label}; "
                f"its {len(labels)} labels run from {labels.min()} to {labels.max()}"
            )
        return int(rows[0])


def check(kind: str, data: PictureData, frame: int, cell: int | None) -> None:
    """Say in one line why this picture cannot be drawn, if so: InputError or NotFoundError."""
    if kind not in KINDS:
        raise InputError(f"there is no picture {kind!r}; choose one of {', '.join(KINDS)}")
    if cell is not None:
        data.row(cell)
    _check_movie(kind, data, frame)
    if kind == "training":
        _check_training(data, cell)
    if kind in NEEDS_FIT:
        _check_fit(kind, data)


def _check_movie(kind: str, data: PictureData, frame: int) -> None:
    frames = data.subgraph.intensity.shape[1]
    if not 0 <= frame < frames:
        raise InputError(f"there is no frame {frame}; culture {data.culture!r} has frames 0 to {frames - 1}")
    if kind not in NEEDS_MOVIE:
        return
    if data.image is None:
        raise InputError(
            f"culture {data.culture!r} has no movie, which {kind} draws; choose one of cells, graph, traces, "
            "error, parameters"
        )
    if data.image_frame != frame:
        raise InputError(f"frame {frame} was asked for, the image given is frame {data.image_frame}")
    if kind in NEEDS_OUTLINES and data.from_traces:
        raise InputError(f"culture {data.culture!r} has no cell outlines; choose one of frame, cells, graph")


def _check_training(data: PictureData, cell: int | None) -> None:
    if data.model != TRAINED:
        raise NotFoundError(
            f"model {data.model} has no training to draw: only model {TRAINED} trains; "
            f"fit {data.culture} with --model {TRAINED} and draw that"
        )
    if cell is not None:
        raise InputError(
            "training is that of the whole culture: leave out the cell, whose traces the kind traces draws"
        )
    if not data.training and data.fitted().any():
        raise NotFoundError(
            f"the {TRAINED} fit of culture {data.culture!r} keeps no training; "
            f"run again: calcigraph fit {data.culture} --model {TRAINED}"
        )


def _check_fit(kind: str, data: PictureData) -> None:
    needed = {"error": ("mse_train",), "parameters": ("k_cell", "k", "feed")}.get(kind)
    values = data.fitted() if needed is None else np.isfinite(np.array([data.values(name) for name in needed]))
    if not values.any() or (kind in NEEDS_MODEL_TRACES and not data.traces):
        raise NotFoundError(
            f"culture {data.culture!r} has no {data.model} fit, which {kind} draws; "
            f"run: calcigraph fit {data.culture} --model {data.model}"
        )
