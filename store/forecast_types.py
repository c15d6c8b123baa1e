"""The frozen values of a forecast that pass between models, graph and queries.

In shapes, `n` is the number of cells and `H` of horizons. Probabilities are of one cell, times in seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calcigraph.store.types import FloatArray, IntArray


@dataclass(frozen=True)
class ForecastRun:
    """The forecast of one culture: what `calcigraph forecast` stores."""

    culture: str
    settings: Mapping[str, Any]
    """What the user decided, defaults included; JSON-able."""
    trained_on: tuple[str, ...]
    """The other cultures that it was learnt from."""
    labels: IntArray
    """(n,), sorted."""
    skill: FloatArray
    """(H,), 1 to H frames ahead: 1 - error / error of the best forecast that needs no model, in the last quarter."""
    rival: tuple[str, ...]
    """(H,), which one that is."""
    held: FloatArray
    """(H,), share of the last quarter's values that lay in the 95 % intervals."""
    skills: FloatArray
    """(n, H), the skill in single cells; NaN for a cell that does not change in what is learnt from."""
    expected: FloatArray
    """(n, H), of the frames after the recording, in the units of the traces."""
    expected_low: FloatArray
    """Its 95 % interval."""
    expected_high: FloatArray
    noise_ratio: FloatArray
    """(n,), deviation of a frame's noise over that of the trace."""
    within_s: float
    """Seconds within which cells may light up."""
    probability: FloatArray
    """(n,), that a cell lights up within that time after the last frame; NaN where it is lit, or cannot be told."""
    nats: float | None
    """Log-likelihood per event above that of each cell's own rate, in the last quarter; None where too few events."""
    nats_low: float | None
    """Its 95 % interval, over cells."""
    nats_high: float | None
    nats_of_cells: FloatArray
    """(n,), the same of single cells; NaN for one without events there."""
    auroc: float | None
    """Probability that a frame before an event was told a larger probability than one before none."""
    told: FloatArray
    """(10,), mean probability in tenths of the last quarter's frames, from the least likely; empty without events."""
    came: FloatArray
    """(10,), share of these frames that an event followed."""
    contact_gain: float | None
    """Share of the error 2 frames ahead by which the neighbours' past lessens it; None where that cannot be told."""
    contact_gain_by_chance: float | None
    """The same where cells have exchanged their places, mean."""
    contact_p: float | None
    """Share of the exchanges, this one included, that gain as much."""
    contact_nats: float | None
    """What the neighbours' past adds to the forecast of events, log-likelihood per event; None where unknown."""
    contact_word: str
    """In plain words."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What followed from the data; JSON-able."""
    advice: tuple[str, ...] = ()
    """What the user should know of this forecast."""

    @property
    def settings_hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the settings in canonical JSON."""
        return hashlib.sha256(json.dumps(dict(self.settings), sort_keys=True).encode()).hexdigest()[:12]
