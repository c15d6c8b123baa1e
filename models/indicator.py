"""From brightness to calcium: the scale on which cells even out, and its inverse.

A trace y is the logarithm of brightness, times the gain g of the culture. F / F0 is brightness over the level F0:

    log      y as it is: cells even out the logarithm of their brightness (the paper's, the default)
    linear   g F / F0: cells even out their brightness
    hill     g log c: cells even out the logarithm of their calcium c, in units of that at F0, where brightness follows
             F / F0 = c^N (1 + KD^N) / (c^N + KD^N)

so that c^N = KD^N (F / F0) / (1 + KD^N - F / F0). The largest brightness is Fmax = (1 + KD^N) F0.

A cell's own F0 is the level below which it is in 5 % of its frames. Where the inner cells' levels agree to 15 %, their
median is the F0 of all: they differ by calcium then, more than by dye. An indicator may say `shared` or `own` itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.scale import middle_and_deviation
from calcigraph.store.types import FloatArray, IntArray, Subgraph

LOG, LINEAR, HILL = "log", "linear", "hill"
SHARED, OWN = "shared", "own"
FORMS = "log, linear, hill:KD or hill:KD,N (linear and hill also with ,shared or ,own at the end)"
REST = 0.05
"""Quantile of a cell's brightness that is its own level F0."""
EVEN = 0.15
"""Robust deviation of the inner cells' log F0 up to which one F0 serves all: by so much calcium at rest differs."""
MOST_RANGE = 4.0
"""Range of the log brightness of the median cell above which it is not taken for a logarithm."""
NEAR_MOST = 0.98
"""Share of Fmax from which a brightness tells nothing of calcium."""
LEAST = 1e-12
SCALE = " scale"
"""What follows the name of an indicator among the assumptions that k is told for."""


@dataclass(frozen=True)
class Indicator:
    """How brightness tells calcium.

    Examples
    --------
    >>> str(Indicator.of("hill:3,1.0")), Indicator.of("hill:3").most
    ('hill:3', 4.0)
    >>> Indicator.of("hill:1").calcium(np.array([1.0, 4 / 3]))  # at F0, and at twice the calcium there
    array([1., 2.])
    >>> Indicator.of("cubic")
    Traceback (most recent call last):
    ...
    calcigraph.errors.FitError: indicator is 'cubic'; give log, linear, hill:KD or hill:KD,N (linear and hill also ...
    """

    kind: str
    """LOG, LINEAR or HILL."""
    kd: float = np.inf
    """Calcium that half saturates the indicator, in units of calcium at F0."""
    n: float = 1.0
    """Hill coefficient."""
    shared: bool | None = None
    """Whether all cells have one F0, the median of their own levels; None: where these agree."""

    @classmethod
    def of(cls, text: str) -> Indicator:
        """The indicator that an option names. Raises FitError for a text that names none."""
        kind, _, rest = text.partition(":") if text.startswith(HILL) else text.partition(",")
        words = [word.strip() for word in rest.split(",")] if rest else []
        shared = {SHARED: True, OWN: False}.get(words[-1]) if words else None
        try:
            numbers = [float(word) for word in (words if shared is None else words[:-1])]
        except ValueError:
            raise _unknown(text) from None
        counts = {LOG: (0,), LINEAR: (0,), HILL: (1, 2)}.get(kind, ())
        if len(numbers) not in counts or (shared is not None and kind == LOG):
            raise _unknown(text)
        if not all(isfinite(number) and number > 0 for number in numbers):
            raise FitError(f"indicator is {text!r}; KD and N must be above 0")
        given = dict(zip(("kd", "n"), numbers, strict=False))
        return cls(kind=kind, shared=shared, kd=given.get("kd", np.inf), n=given.get("n", 1.0))

    def __str__(self) -> str:
        numbers = f":{self.kd:g}" + (f",{self.n:g}" if self.n != 1 else "") if self.kind == HILL else ""
        return self.kind + numbers + {None: "", True: f",{SHARED}", False: f",{OWN}"}[self.shared]

    @property
    def most(self) -> float:
        """Fmax / F0."""
        return float(1 + self.kd**self.n)

    def calcium(self, brightness: FloatArray) -> FloatArray:
        """Calcium, in units of that at F0, from F / F0 below `most`; of `linear` that is F / F0 itself."""
        if self.kind != HILL:
            return brightness
        return np.asarray(self.kd * (brightness / (self.most - brightness)) ** (1 / self.n))

    def brightness(self, calcium: FloatArray) -> FloatArray:
        """F / F0 from calcium: the inverse of `calcium`."""
        if self.kind != HILL:
            return calcium
        bound = calcium**self.n
        return np.asarray(bound * self.most / (bound + self.kd**self.n))


@dataclass(frozen=True)
class Scale:
    """The scale on which a culture's cells even out: an indicator, and where each cell rests."""

    indicator: Indicator
    shared: bool
    """Whether all cells have one F0."""
    rest: FloatArray
    """(n, 1), log F0."""
    gain: float
    """Intensity per unit of the log brightness."""

    @classmethod
    def of(cls, subgraph: Subgraph, indicator: Indicator) -> Scale:
        """The scale of a culture, whose traces are logarithms of brightness.

        Raises
        ------
        FitError
            Traces that are no logarithms of brightness.
        """
        log = subgraph.intensity / subgraph.intensity_gain
        spread = float(np.median(np.ptp(log, axis=1)))
        if indicator.kind != LOG and spread > MOST_RANGE:
            raise FitError(
                f"culture {subgraph.culture}: indicator {indicator} needs traces that are logarithms of brightness, "
                f"and these range over {spread:.3g} in the median cell; use log, which takes them as they are"
            )
        rest = np.quantile(log, REST, axis=1, keepdims=True)
        shared = indicator.shared
        if shared is None:
            inner = rest[~subgraph.border.astype(np.bool_)] if not subgraph.border.all() else rest
            shared = middle_and_deviation(inner)[1] <= EVEN
        if shared:
            rest = np.full_like(rest, np.median(rest))
        return cls(indicator=indicator, shared=shared, rest=rest, gain=subgraph.intensity_gain)

    def applied(self, intensity: FloatArray, labels: IntArray) -> FloatArray:
        """The traces on this scale, (n, T), from intensities (n, T) of cells `labels`, (n,).

        Raises
        ------
        FitError
            Brightness that the indicator cannot have.
        """
        if self.indicator.kind == LOG:
            return intensity
        ratio = np.exp(intensity / self.gain - self.rest)
        if self.indicator.kind == LINEAR:
            return np.asarray(self.gain * ratio)
        largest = ratio.max(axis=1)
        beyond = largest >= NEAR_MOST * self.indicator.most
        if beyond.any():
            row = int(largest.argmax())
            raise FitError(
                f"indicator {self.indicator}: its largest F/F0 is {self.indicator.most:.3g}, and {int(beyond.sum())} "
                f"of {len(labels)} cells come within 2 % of it or above it (cell {labels[row]}: {largest[row]:.3g}); "
                "give a larger KD"
            )
        return np.asarray(self.gain * np.log(self.indicator.calcium(ratio)))

    def seen(self, traces: FloatArray, rows: IntArray) -> FloatArray:
        """The intensities, (r, T), of traces on this scale of the cells in these rows; the inverse of `applied`."""
        if self.indicator.kind == LOG:
            return traces
        calcium = traces / self.gain
        if self.indicator.kind == HILL:
            calcium = np.exp(calcium)
        ratio = np.maximum(self.indicator.brightness(calcium), LEAST)
        return np.asarray(self.gain * (np.log(ratio) + self.rest[rows]))


def on_scale(subgraph: Subgraph, scale: Scale) -> Subgraph:
    """The culture with its traces on a scale. Raises FitError as `Scale.applied`.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> culture = make_culture(SyntheticOptions(cells=16, frames=40, size_px=128)).subgraph()
    >>> scale = Scale.of(culture, Indicator.of("hill:3"))
    >>> traces = on_scale(culture, scale).intensity
    >>> bool(np.allclose(scale.seen(traces, np.arange(16)), culture.intensity))
    True
    """
    if scale.indicator.kind == LOG:
        return subgraph
    return replace(subgraph, intensity=scale.applied(subgraph.intensity, subgraph.labels))


def _unknown(text: str) -> FitError:
    return FitError(f"indicator is {text!r}; give {FORMS}")
