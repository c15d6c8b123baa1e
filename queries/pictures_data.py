"""What a picture needs, checked once: no matplotlib here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from calcigraph.errors import InputError, NotFoundError
from calcigraph.store.types import BoolArray, FloatArray, Subgraph

KINDS = ("frame", "outlines", "cells", "graph", "traces", "error", "parameters")
NEEDS_MOVIE = frozenset({"frame", "outlines"})
"""Kinds that draw `PictureData.image`: the normalised frame and its number must be given."""
NEEDS_FIT = frozenset({"traces", "error", "parameters"})
"""Kinds that draw `PictureData.cells` (and `words`, `k`, `feed` where there are any)."""
NEEDS_MODEL_TRACES = frozenset({"traces"})
"""Kinds that draw `PictureData.traces`."""
NEEDS_OUTLINES = frozenset({"outlines"})
GROUPS = ("good", "misses peaks", "wrong magnitude")


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
    feed: float | None = None
    """The fit's shared feed (Fit.feed), normalised intensity per second."""
    bounds: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """The fit's "k" (1/s) and "feed" bounds, None where open; parameters marks the cells that lie at one."""
    traces: Mapping[int, FloatArray] = field(default_factory=dict)
    """label -> (T,), the model's free run."""

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
        for label, trace in self.traces.items():
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


def _check_fit(kind: str, data: PictureData) -> None:
    needed = {"error": ("mse_train",), "parameters": ("k_cell", "k", "feed")}.get(kind)
    values = data.fitted() if needed is None else np.isfinite(np.array([data.values(name) for name in needed]))
    if not values.any() or (kind in NEEDS_MODEL_TRACES and not data.traces):
        raise NotFoundError(
            f"culture {data.culture!r} has no {data.model} fit, which {kind} draws; "
            f"run: calcigraph fit {data.culture} --model {data.model}"
        )
