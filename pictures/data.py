"""What pictures are drawn from: one culture with its fit. No matplotlib here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcigraph.errors import InputError, NotFoundError
from calcigraph.models.table import DEFAULT_MODEL
from calcigraph.store.event_types import Events, Links, Wave
from calcigraph.store.types import BoolArray, FloatArray, IntArray, Subgraph


@dataclass(frozen=True)
class Training:
    """How one network was trained: H recorded epochs, E networks of an ensemble. A large culture has several."""

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
        """How many of the first recorded epochs left the network as it was and changed only the parameters.

        The data loss depends on the network alone, so it is constant in these epochs.

        >>> still = np.array([2.0, 2.0, 2.0, 1.0])
        >>> Training(epoch=np.arange(4.0), data_loss=still, physics_loss=still, k=still[None], feed=still).held
        3
        """
        moved = np.flatnonzero(self.data_loss != self.data_loss[:1])
        # A loss that changes at once means that the network was never held.
        return int(moved[0]) if len(moved) and moved[0] > 1 else 0


@dataclass(frozen=True)
class Sourced:
    """What a fit that finds sources makes of one cell's trace: T frames (models.own_sources)."""

    run: FloatArray
    """(T,), intensity: the model with its neighbours as observed and the sources that were found."""
    inflow: FloatArray
    """(T - 1,), per second, from neighbours, above what flows at rest; negative where calcium flows out."""
    own: FloatArray
    """(T - 1,), per second, released by the cell itself, above what it releases at rest."""


@dataclass(frozen=True)
class Firing:
    """The events and waves of a culture, as a detection found them (store.event_types.EventRun)."""

    events: Events
    links: Links
    waves: tuple[Wave, ...]
    """Numbered from 1, flashes included."""
    labels: IntArray
    """(n,), the cells that were looked at, sorted."""


@dataclass(frozen=True)
class Forecasted:
    """The forecast of a culture (store.forecast_types.ForecastRun), as the graph has it. n cells, H horizons."""

    labels: IntArray
    """(n,), sorted."""
    expected: FloatArray
    """(n, H), after the last frame, in the units of the traces."""
    expected_low: FloatArray
    expected_high: FloatArray
    probability: FloatArray
    """(n,), that a cell lights up within `within_s`; NaN where it is lit."""
    within_s: float
    skill: FloatArray
    """(H,), 1 - error / error of the best forecast that needs no model."""
    told: FloatArray
    """(10,), mean probability in tenths of the frames that were judged; empty without events."""
    came: FloatArray
    """(10,), share of them that an event followed."""
    contact_word: str


@dataclass(frozen=True)
class PictureData:
    """One culture, ready to draw, with the latest fit of one model. `n` cells in the order of `subgraph.labels`.

    What a kind of picture needs of it stands in its row of kinds.TABLE; the rest may be left out.

    Raises
    ------
    InputError
        A culture without cells, or lengths that do not agree.
    """

    subgraph: Subgraph
    polygons: tuple[str | None, ...] | None = None
    """(n,) WKT, y down, pixel corners at integers; None for cultures that came as traces."""
    pixel_size_um: float | None = None
    """None: the scale bar is in pixels."""
    height_px: int | None = None
    width_px: int | None = None
    image: FloatArray | None = None
    """(Y, X), one normalised frame (eq. 23)."""
    image_frame: int = 0
    """The number of that frame, from 0."""
    condition: str | None = None
    """What was done to the culture, as given at ingest. The caption shows it."""
    model: str = DEFAULT_MODEL
    """The model whose fit is drawn."""
    other_models: tuple[str, ...] = ()
    """Where that model has no fit: the models that have one."""
    case: str | None = None
    """The case of that fit (Fit.case), which the caption shows; None: not fitted."""
    cells: Mapping[str, FloatArray] = field(default_factory=dict)
    """(n,) per node property, such as "crlsm_k_cell", "crlsm_feed", "crlsm_mse_train"; NaN: not fitted."""
    words: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    """(n,) per node property, such as "crlsm_group"; None or "": not fitted."""
    k: float | None = None
    """1/s, the culture's coupling (Fit.k)."""
    k_interval: tuple[float, float] | None = None
    """1/s, 95 %."""
    k_word: str = ""
    """Whether the data determine the culture's coupling, in a word of models/identify.py; "": not known."""
    feed: float | None = None
    """Normalised intensity per second, the culture's feed (Fit.feed)."""
    feed_interval: tuple[float, float] | None = None
    """Normalised intensity per second, 95 %."""
    bounds: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """The fit's bounds of "k" (1/s) and "feed", None where open. The parameter maps mark the cells that lie at one."""
    traces: Mapping[int, FloatArray] = field(default_factory=dict)
    """label -> (T,), the model's free run."""
    sourced: Mapping[int, Sourced] = field(default_factory=dict)
    """label -> the run with the sources that the model found; empty for a model that finds none."""
    network: Mapping[int, FloatArray] = field(default_factory=dict)
    """label -> (T,), the trace that the model's network gives, if it has one; NaN in frames it was not trained on."""
    training: tuple[Training, ...] = ()
    """One per network that was trained; empty for a model without training."""
    firing: Firing | None = None
    """The events and waves; None where they were never looked for."""
    forecast: Forecasted | None = None
    """What comes; None where that was never asked."""
    weights: str | None = None
    """The law of the contacts' weights in that fit; None: the usual one."""
    weight_scale: float | None = None
    """What the raw weights were divided by in that fit; None: as today."""
    dff: bool = False
    """Whether kind raster shows dF/F0 in place of intensity."""
    registration: Mapping[str, Any] = field(default_factory=dict)
    """`Culture.registration`: "x_px" and "y_px", (T,), "degrees" where turns were looked for, and what they sum up to;
    empty for a culture that was not registered."""
    wave: int | None = None
    """The number of the wave that is drawn alone; None: the largest ones."""

    def __post_init__(self) -> None:
        n, frames = self.subgraph.intensity.shape
        if n == 0:
            raise InputError(f"culture {self.culture!r} has no cells to draw")
        lengths = {name: len(column) for name, column in self.cells.items()}
        lengths |= {name: len(column) for name, column in self.words.items()}
        if self.polygons is not None:
            lengths["polygons"] = len(self.polygons)
        for name, length in lengths.items():
            if length != n:
                raise InputError(f"{name} has {length} entries, expected one for each of the {n} cells")
        runs = {label: each.run for label, each in self.sourced.items()}
        for label, trace in (*self.traces.items(), *self.network.items(), *runs.items()):
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
        """The unit of the feed: intensity per second."""
        return "a.u. s$^{-1}$" if self.from_traces else "s$^{-1}$"

    def about(self) -> str:
        """Culture and condition."""
        return f"{self.culture} ({self.condition})" if self.condition else self.culture

    def about_fit(self) -> str:
        """Model and case."""
        return f"{self.model}, {self.case}" if self.case else self.model

    def values(self, parameter: str) -> FloatArray:
        """(n,) one fitted value of each cell, such as "k_cell"; all NaN if the fit does not have it."""
        found = self.cells.get(f"{self.model}_{parameter}")
        if found is None:
            return np.full(len(self.subgraph.labels), np.nan)
        # Infinite values cannot be drawn either.
        values = np.asarray(found, dtype=np.float64)
        return np.where(np.isfinite(values), values, np.nan)

    def interval(self, parameter: str) -> tuple[FloatArray, FloatArray]:
        """(n,) each: the ends of a fitted parameter's 95 % interval, NaN where there is none."""
        return self.values(f"{parameter}_low"), self.values(f"{parameter}_high")

    def coupling(self) -> tuple[FloatArray, str]:
        """(n,) the coupling of each cell, 1/s, and its name: "k_cell", or "k" where cells were fitted one by one."""
        k_cell = self.values("k_cell")
        return (k_cell, "k_cell") if np.isfinite(k_cell).any() else (self.values("k"), "k")

    def at_bound(self, parameter: str) -> BoolArray:
        """(n,) whether a cell's parameter ("k", "k_cell" or "feed") lies at one of the fit's bounds."""
        values = self.values(parameter)
        near = np.zeros(len(values), dtype=np.bool_)
        for bound in self.bounds.get("feed" if parameter == "feed" else "k", ()):
            if bound is not None:
                near |= np.isclose(values, bound, rtol=1e-6, atol=1e-12)
        return near

    def groups(self) -> tuple[str, ...]:
        """(n,) the fit group of each cell (models.fit_groups), "" where there is none."""
        return self._words("group")

    def identified(self) -> tuple[str, ...]:
        """(n,) whether the data determine the coupling of a cell, in a word of models/identify.py; "": not fitted."""
        return self._words("identified")

    def _words(self, name: str) -> tuple[str, ...]:
        found = self.words.get(f"{self.model}_{name}")
        if found is None:
            return ("",) * len(self.subgraph.labels)
        return tuple(word or "" for word in found)

    def fitted(self, names: Sequence[str]) -> BoolArray:
        """(n,) whether the cell has at least one of these fitted values."""
        found: BoolArray = np.isfinite(np.array([self.values(name) for name in names])).any(axis=0)
        return found

    def best_run(self, label: int) -> FloatArray | None:
        """(T,), what the fit makes of a cell: the run with its sources where the model finds them, else the free run.

        None for a cell that was not fitted.
        """
        found = self.sourced.get(label)
        return self.traces.get(label) if found is None else found.run

    def row(self, label: int) -> int:
        """The index of the cell with this label. Raises NotFoundError."""
        labels = self.subgraph.labels
        rows = np.flatnonzero(labels == label)
        if len(rows) == 0:
            raise NotFoundError(
                f"culture {self.culture!r} has no cell {label}; "
                f"its {len(labels)} labels run from {labels.min()} to {labels.max()}"
            )
        return int(rows[0])
