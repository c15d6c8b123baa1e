"""The cultures of benchmarks/axes.py: one line for each way in which tissue departs from what a model assumes.

Where a line says no more, a culture has 108 cells, 361 frames, one per 10 s, 15 spikes a cell, noise 0.002, and a k of
its own between 0.004 and 0.03 per second.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from calcigraph.models import FitOptions, SyntheticCulture, SyntheticOptions, make_culture

Range = tuple[float, float]
NO_COUPLING: Range = (0.0, 0.0)
ERROR, ERROR_ASSUMED, ERROR_LEAK, ERROR_CROPPED = 0.05, 0.002, 0.02, 0.02
"""Largest median error of k, as a share of k, where the word is `identified`."""
BASE: dict[str, Any] = {"spikes": 15}
ALWAYS: dict[str, Any] = {"spikes": 0, "activity": "fluctuation"}
"""Cells that are active all the time and have no spikes."""


@dataclass(frozen=True)
class Line:
    """Cultures of one kind."""

    name: str
    what: str
    """In a biologist's words."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of `SyntheticOptions`, on top of BASE."""
    k: Range = (0.004, 0.03)
    """1/s. Each culture's k is drawn from it, evenly in its logarithm."""
    noise: Range = (0.002, 0.002)
    """Standard deviation of the traces' noise, drawn as k."""
    fit: dict[str, Any] = field(default_factory=dict)
    """Of `FitOptions`, on top of the defaults."""
    most: float = ERROR
    """Largest median error that the default model may have where it says `identified`."""
    whatever_word: bool = False
    """Whether the median of k_hat / k is asked for whatever the word is."""
    times: int = 1
    """How many times as many cultures as other lines have: a median of wide intervals needs them."""
    shares: bool = False
    """Whether neighbours have something in common that is not coupling: then a small p of the null is right."""

    @property
    def coupled(self) -> bool:
        return self.k[1] > 0

    def culture(self, number: int) -> SyntheticCulture:
        """The culture of this number; it depends on the line's name and the number alone."""
        own = zlib.crc32(self.name.encode())
        rng = np.random.default_rng([own, number])
        k = _drawn(rng, self.k) if self.coupled else 0.0
        noise = _drawn(rng, self.noise)
        options = SyntheticOptions(k=k, trace_noise=noise, seed=own + number)
        return make_culture(replace(options, **{**BASE, **self.options}))

    def fit_options(self, number: int) -> FitOptions:
        return FitOptions(seed=number, **self.fit)


def _drawn(rng: np.random.Generator, between: Range) -> float:
    low, high = np.log(between)
    return float(np.exp(rng.uniform(low, high)))


def _sized(cells: int) -> dict[str, Any]:
    """A culture of so many cells, each as large as those of the standard culture."""
    return {"cells": cells, "size_px": round(512 * (cells / 108) ** 0.5)}


def _assumed(name: str, what: str, k: Range = (0.004, 0.03), **options: Any) -> Line:
    return Line(name, what, options, k=k, most=ERROR_ASSUMED)


def _active(name: str, what: str, **options: Any) -> Line:
    """Cells that are active all the time, over the whole range of k and noise that is asked for."""
    return Line(name, what, {**ALWAYS, **options}, (0.003, 0.03), (0.002, 0.01), whatever_word=True, times=3)


def _uncoupled(name: str, what: str, *, shares: bool = False, **options: Any) -> Line:
    return Line(name, f"k = 0, {what}", options, NO_COUPLING, shares=shares)


ASSUMED = (
    _assumed("spikes-15", "as assumed, 15 spikes an hour"),
    _assumed("spikes-30", "as assumed, 30 spikes an hour", spikes=30),
    _assumed("frames-1", "as assumed, a frame each second", frame_interval_s=1.0, spikes=2),
    _assumed("frames-2", "as assumed, a frame each 2 s", frame_interval_s=2.0, spikes=3),
    _assumed("frames-20", "as assumed, a frame each 20 s", (0.004, 0.02), frame_interval_s=20.0, spikes=30),
    _assumed("cells-40", "as assumed, 40 cells", **_sized(40)),
    _assumed("cells-300", "as assumed, 300 cells", **_sized(300)),
)
ACTIVITY = (
    _active("ou-20", "continuous activity, time constant 20 s", activity_s=20.0),
    _active("ou-60", "continuous activity, time constant 60 s"),
    _active("ou-200", "continuous activity, time constant 200 s", activity_s=200.0),
    _active("white", "continuous activity, white", activity="white"),
    _active("ou-spikes", "continuous activity, 60 s, and 15 spikes an hour", spikes=15),
    _active("oscillation", "oscillating cells", activity="oscillation"),
    _active("ou-40", "continuous activity, 60 s, 40 cells", **_sized(40)),
    _active("ou-leak", "continuous activity, 60 s, pump of 1/100 per s", leak=1 / 100),
)
TISSUE = (
    *(
        Line(f"leak-{time}", f"pump (decay) of 1/{time} per s", {"leak": 1 / time}, most=ERROR_LEAK)
        for time in (300, 100, 30)
    ),
    Line("field-two-thirds", "two thirds of the culture, cropped by the field",
         {"cells": 162, "size_px": 627, "field": 0.8165}, most=ERROR_CROPPED),
    Line("field-108", "108 cells of 227, cropped by the field", {"cells": 227, "size_px": 742, "field": 0.69}),
    Line("field-40", "40 cells of 108, cropped by the field", {"field": 0.61}),
    *(
        Line(f"conductance-{spread}", f"contacts with conductances of their own, spread {spread}",
             {"conductance_spread": spread})
        for spread in (0.3, 0.6)
    ),
    Line("k-spread", "cells with couplings of their own, spread 0.3", {"k_spread": 0.3}),
    *(
        Line(f"weights-{law.replace('/', '-')}", f"true weights {law}, fitted distance*border", {"weights": law})
        for law in ("uniform", "border", "border/distance")
    ),
    Line("weights-fit", "true weights distance*border, fitted uniform", fit={"weights": "uniform"}),
)  # fmt: skip
LIGHT = (
    *(
        Line(f"linear-{size}", f"cells share calcium itself, modulation {size}", {"modulation": float(size)})
        for size in (1, 2, 4)
    ),
    *(Line(f"hill-{kd}", f"saturating indicator, Kd {kd}", {"hill_kd": float(kd)}) for kd in (3, 1)),
    Line("indicator-5", "slow indicator, 5 s", {"indicator_s": 5.0}),
    *(
        Line(f"drift-{share}", f"brightness of each cell drifts by {share} %", {"brightness_drift": share / 100})
        for share in (3, 10, 30)
    ),
    Line("flicker", "lamp flickers by 1 %", {"flicker": 0.01}),
    Line("crosstalk", "5 % of a cell's light is its neighbours'", {"crosstalk": 0.05}),
    Line("glow", "10 % of the light is a glow of all cells", {"glow": 0.1}),
    Line("missing", "5 % of the cells without mask", {"missing": 0.05}),
    Line("merged", "5 pairs of cells in one mask", {"mask_merges": 5}),
)
DRIVE_NAMES = {
    "global": "a drive of all cells",
    "plane": "plane waves",
    "blobs": "a smooth drive (blobs)",
    "paracrine": "paracrine waves",
}
SET_OFF: dict[str, Any] = {"contact_waves": 6, "spikes": 3, "leak": 1 / 100}
"""Six waves in an hour that cells pass on over contacts: one that fires sets off the next a while later."""
DRIVEN = (
    *(Line(f"drive-{drive}", f"{what}, beside the coupling", {"drive": drive}) for drive, what in DRIVE_NAMES.items()),
    Line("set-off", "waves in which cells set off the next, pump of 1/100 per s", SET_OFF),
    Line("set-off-slow", "the same, 0.7 px/s", {**SET_OFF, "contact_wave_speed": 0.7}),
    Line("set-off-spikes", "the same, 2 px/s, and 15 spikes an hour", {**SET_OFF, "spikes": 15}),
)
WITHOUT = (
    _uncoupled("zero-spikes", "spikes"),
    _uncoupled("zero-fast", "spikes, a frame each 2 s", frame_interval_s=2.0, spikes=3),
    _uncoupled("zero-ou-40", "continuous activity, 40 cells", **ALWAYS, **_sized(40)),
    _uncoupled("zero-ou", "continuous activity, 108 cells", **ALWAYS),
    _uncoupled("zero-ou-400", "continuous activity, 400 cells", **ALWAYS, **_sized(400)),
    _uncoupled("zero-oscillation", "oscillating cells", **{**ALWAYS, "activity": "oscillation"}),
    _uncoupled("zero-leak", "spikes, pump of 1/100 per s", leak=1 / 100),
    _uncoupled("zero-paracrine", "300 cells, slow paracrine waves, pump of 1/500 per s", shares=True,
               **_sized(300), spikes=0, drive="paracrine", drive_s=200.0, leak=1 / 500),
    *(
        _uncoupled(f"zero-{drive}", f"{DRIVE_NAMES[drive]}, spikes, pump of 1/100 per s", shares=True, drive=drive,
                   leak=1 / 100)
        for drive in ("global", "plane", "blobs")
    ),
    _uncoupled("zero-crosstalk", "5 % of neighbours' light, pump of 1/100 per s", shares=True, crosstalk=0.05,
               leak=1 / 100),
    _uncoupled("zero-glow", "10 % glow, pump of 1/100 per s", shares=True, glow=0.1, leak=1 / 100),
    _uncoupled("zero-set-off", "waves in which cells set off the next, pump of 1/100 per s", shares=True, **SET_OFF),
    _uncoupled("zero-flicker", "lamp flickers by 1 %", shares=True, flicker=0.01),
)  # fmt: skip
LINES = {line.name: line for line in (*ASSUMED, *ACTIVITY, *TISSUE, *LIGHT, *DRIVEN, *WITHOUT)}
