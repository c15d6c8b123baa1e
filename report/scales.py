"""How a quantity becomes a colour or a bar: limits, logarithm, ticks, bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.pictures.style import bin_edges, limits, log_ticks, wants_log
from calcigraph.store.types import FloatArray

RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
MOST_TICKS = 5


@dataclass(frozen=True)
class Scale:
    """Where values stand on an axis or among colours: at themselves, or at their logarithm to base 10."""

    low: float
    """Of the axis: a value, or its logarithm."""
    high: float
    log: bool
    palette: str
    """One of those of the page (report/figures.py)."""

    def place(self, values: FloatArray) -> FloatArray:
        """Where values stand; NaN for those that have no logarithm."""
        if not self.log:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(values > 0, np.log10(values), np.nan)

    def plain(self) -> dict[str, Any]:
        """For the page's script."""
        return {
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "palette": self.palette,
            "ticks": ticks(self.low, self.high, self.log),
        }


def colour_scale(values: FloatArray, *, signed: bool = False, palette: str = "viridis") -> Scale:
    """The colours of a quantity, as the pictures have them: between the 2nd and the 98th percentile.

    Parameters
    ----------
    values
        NaN for what is not known.
    signed
        Whether values of both signs diverge about 0.
    palette
        Where they do not.
    """
    low, high = limits(values, 2, 98)
    finite = values[np.isfinite(values)]
    if signed and len(finite) and finite.min() < 0 < finite.max():
        reach = max(abs(low), abs(high))
        return Scale(-reach, reach, log=False, palette="diverging")
    if not signed and low > 0 and wants_log(np.array([low, high])):
        return Scale(float(np.log10(low)), float(np.log10(high)), log=True, palette=palette)
    return Scale(low, high, log=False, palette=palette)


def histogram(values: FloatArray) -> dict[str, Any]:
    """Bars of a quantity for the page's script: edges on its axis, counts, and the axis' ticks."""
    finite = values[np.isfinite(values)]
    edges, log = bin_edges(finite)
    counts = np.histogram(finite, bins=edges)[0]
    places = np.log10(edges) if log else edges
    low, high = float(places[0]), float(places[-1])
    return {
        "edges": places.tolist(),
        "counts": counts.tolist(),
        "log": log,
        "ticks": ticks(low, high, log),
    }


def ticks(low: float, high: float, log: bool) -> list[tuple[float, str]]:
    """Round numbers between two places of an axis, with their texts.

    >>> ticks(0.0, 1.0, log=False)
    [(0.0, '0'), (0.2, '0.2'), (0.4, '0.4'), (0.6, '0.6'), (0.8, '0.8'), (1.0, '1')]
    """
    if log:
        found = log_ticks(10.0**low, 10.0**high, MOST_TICKS)
        return [(float(np.log10(tick)), tick_text(tick)) for tick in found]
    if not high > low:
        return [(low, tick_text(low))]
    rough = (high - low) / MOST_TICKS
    decade = 10.0 ** np.floor(np.log10(rough))
    step = next(factor * decade for factor in (1, 2, 5, 10) if factor * decade >= rough * (1 - 1e-9))
    numbers = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
    rounded = [float(f"{tick:.12g}") + 0.0 for tick in numbers.tolist()]
    return [(tick, tick_text(tick)) for tick in rounded]


def tick_text(value: float) -> str:
    """A number as an axis shows it, the minus sign a real one.

    >>> tick_text(0.02), tick_text(-2e-5), tick_text(1e-4)
    ('0.02', '−2×10⁻⁵', '10⁻⁴')
    """
    value = float(f"{value:.6g}") + 0.0  # no minus before 0
    if value and not 1e-3 <= abs(value) < 1e5:
        factor, _, exponent = f"{value:.5e}".partition("e")
        power = f"10{str(int(exponent)).translate(RAISED)}"
        text = {1.0: power, -1.0: f"-{power}"}.get(float(factor), f"{float(factor):g}×{power}")
        return text.replace("-", "−")
    return f"{value:g}".replace("-", "−")
