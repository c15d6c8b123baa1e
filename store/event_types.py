"""The frozen values of events and waves that pass between models, graph and queries.

In shapes, `e` is the number of events, `l` of links between events, `w` of waves, `n` of cells and `T` of frames. Times
are in seconds from the first frame, lengths in pixels, amplitudes in the normalised units of the traces.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from calcigraph.store.types import BoolArray, FloatArray, IntArray

WAVE, FLASH = "wave", "flash"
"""Kinds of `Wave`."""


@dataclass(frozen=True)
class Events:
    """The calcium events of a culture, sorted by cell and onset: one value an event in every column, each (e,)."""

    label: IntArray
    """The cell's label."""
    onset_s: FloatArray
    """When the rise begins, between frames."""
    onset_se_s: FloatArray
    """Standard error of the onset."""
    half_s: FloatArray
    """When the rise reaches half of the amplitude, between frames: the sharpest time that a trace gives."""
    half_se_s: FloatArray
    """Standard error of that."""
    peak_s: FloatArray
    end_s: FloatArray
    """When it has fallen to a tenth of its amplitude, or the recording ends."""
    amplitude: FloatArray
    """Height of the peak above the baseline."""
    dff: FloatArray
    """The peak as dF/F0; NaN where F0 is not known or not positive."""
    rise_s: FloatArray
    """From 10 to 90 % of the amplitude."""
    decay_s: FloatArray
    """From the peak to 37 % (1 / e) of it; NaN where the recording ends before."""
    area: FloatArray
    """Above the baseline, amplitude times seconds."""
    snr: FloatArray
    """Amplitude in deviations of one frame's noise."""
    quality: FloatArray
    """0 to 1: share of the trace's variance around the event that its fitted shape explains."""
    cut_start: BoolArray
    """The recording began during the event: onset and rise are not known well."""
    cut_end: BoolArray
    """The recording ended during the event."""
    own_share: FloatArray
    """Share of the rise that no neighbour's calcium explains, 0 to 1; NaN where coupling is not identified."""
    own_share_low: FloatArray
    own_share_high: FloatArray

    def __len__(self) -> int:
        return len(self.label)

    def chosen(self, rows: IntArray | BoolArray) -> Events:
        """Some of the events, by their places or by a mask."""
        return Events(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    def number(self) -> IntArray:
        """(e,), the place of each event among those of its cell, from 1.

        >>> no_events().number().tolist()
        []
        """
        first = np.searchsorted(self.label, self.label)
        return np.arange(1, len(self) + 1) - first


def no_events() -> Events:
    """An empty table of events."""
    kinds: dict[str, Any] = {"label": np.int64, "cut_start": np.bool_, "cut_end": np.bool_}
    return Events(**{item.name: np.zeros(0, dtype=kinds.get(item.name, np.float64)) for item in fields(Events)})


@dataclass(frozen=True)
class Links:
    """Pairs of events of cells in contact, of which one may have set off the other, sorted; each column (l,)."""

    before: IntArray
    """Place of the earlier event in `Events`; for a tie, of the one with the smaller label."""
    after: IntArray
    lag_s: FloatArray
    """Between their half rises, never negative; 0 for a tie."""
    tie: BoolArray
    """The frames cannot show which of the two came first."""
    p: FloatArray
    """How often chance gives this pair of cells as many links in order: p-value of the pair."""

    def __len__(self) -> int:
        return len(self.before)


@dataclass(frozen=True)
class Wave:
    """A connected set of events that spread over contacts, or a flash: one of many cells at once."""

    kind: str
    """WAVE or FLASH."""
    events: IntArray
    """Places in `Events`, by half rise."""
    starts: IntArray
    """Labels of the cells that may have begun it: several where they cannot be told apart; none for a flash."""
    onset_s: float
    """Half rise of its first event."""
    duration_s: float
    """From its first to its last half rise."""
    speed_px_s: float | None
    """Slope of distance along contacts against half rises; None for a flash and where no slope can be told."""
    speed_low_px_s: float | None
    """Its 95 % interval; None for an end that is not known."""
    speed_high_px_s: float | None
    direction_deg: float | None
    """Of a plane front, 0 to the right, 90 down; None where it runs in all directions."""
    radial: bool | None
    """Whether it runs in all directions from where it began; None for a flash."""
    origin_x_px: float | None
    origin_y_px: float | None
    p: float
    """Against cells' event trains shifted in time and exchanged contacts, the larger of both."""
    q: float
    """p with false-discovery control over the culture's waves (Benjamini and Hochberg 1995)."""


@dataclass(frozen=True)
class EventRun:
    """One detection of events and waves in one culture: what `calcigraph events` stores."""

    culture: str
    settings: Mapping[str, Any]
    """What the user decided, defaults included; JSON-able."""
    events: Events
    links: Links
    waves: tuple[Wave, ...]
    labels: IntArray
    """(n,), the cells that were looked at, sorted."""
    baseline: FloatArray
    """(n, T), the running baseline of the traces."""
    noise: FloatArray
    """(n,), deviation of one frame's noise."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What followed from the data: baseline window, lag, which fit gave the own shares, ...; JSON-able."""
    advice: tuple[str, ...] = ()
    """What the user should know of this detection."""

    @property
    def settings_hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the settings in canonical JSON."""
        return hashlib.sha256(json.dumps(dict(self.settings), sort_keys=True).encode()).hexdigest()[:12]
