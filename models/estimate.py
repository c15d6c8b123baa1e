"""A parameter with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from calcigraph.store.types import BoolArray, FloatArray

Value = TypeVar("Value", FloatArray, float)


@dataclass(frozen=True)
class Estimate(Generic[Value]):
    """A parameter with its 95 % interval: one number of a culture, or (p,) with one per inner cell.

    Unknown values and ends are NaN. The three values have the unit of the parameter.

    Examples
    --------
    >>> k = Estimate.around(0.01, 0.002)  # 1/s
    >>> k.low, k.high, round(k.half, 6)
    (0.008, 0.012, 0.002)
    """

    value: Value
    low: Value
    high: Value

    @classmethod
    def around(cls, value: Value, half: Value) -> Estimate[Value]:
        """The interval that reaches `half` to either side."""
        return Estimate(value=value, low=value - half, high=value + half)

    def with_error(self, below: Value | float, above: Value | float, bounds: tuple[float, float]) -> Estimate[Value]:
        """The interval with independent errors more below and above, inside the bounds; it never gets narrower.

        Examples
        --------
        >>> wider = Estimate(value=0.010, low=0.007, high=0.013).with_error(0.004, 0.0, (0.0, 1.0))
        >>> round(wider.low, 6), wider.high
        (0.005, 0.013)
        """
        low = np.maximum(self.value - np.hypot(self.value - self.low, below), bounds[0])
        high = np.minimum(self.value + np.hypot(self.high - self.value, above), bounds[1])
        low, high = np.minimum(low, self.low), np.maximum(high, self.high)
        if isinstance(self.value, float):
            return Estimate(value=self.value, low=float(low), high=float(high))
        return Estimate(value=self.value, low=low, high=high)

    @property
    def half(self) -> Value:
        """Half the interval's width."""
        return (self.high - self.low) / 2


def same_for_all(culture: Estimate[float], coupled: BoolArray) -> Estimate[FloatArray]:
    """The shared k as that of every cell that has contacts, (p,); NaN for the others."""
    return Estimate(
        value=np.where(coupled, culture.value, np.nan),
        low=np.where(coupled, culture.low, np.nan),
        high=np.where(coupled, culture.high, np.nan),
    )
