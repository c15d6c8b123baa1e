"""Arrays as text in a page: little-endian numbers in base64, traces as whole numbers between each trace's extremes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.store.types import FloatArray

MOST_FINE = 4_000_000
"""Values of a culture's traces up to which they are kept with 16 bits each; beyond, with 8."""

Packed = dict[str, Any]
"""{"type": NumPy's name, such as "<f4", "data": base64}."""


def packed(values: Any, kind: str) -> Packed:
    """An array for the page's script.

    Parameters
    ----------
    values
        Numbers of any shape, which is not kept.
    kind
        One of u1, u2, i2, i4, f4 and f8.

    Examples
    --------
    >>> packed([1, 2], "u2")
    {'type': 'u2', 'data': 'AQACAA=='}
    """
    array: NDArray[Any] = np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<"))
    return {"type": kind, "data": base64.b64encode(array.tobytes()).decode("ascii")}


@dataclass(frozen=True)
class Quantised:
    """Traces as whole numbers: value = low + step * number. The largest number stands for "not known"."""

    numbers: NDArray[Any]
    """(n, T)."""
    low: FloatArray
    """(n,)."""
    step: FloatArray
    """(n,); a value is known to half of it."""

    def values(self) -> FloatArray:
        """(n, T), what the page shows; NaN where a value is not known."""
        unknown = np.iinfo(self.numbers.dtype).max
        values = self.low[:, None] + self.step[:, None] * self.numbers
        return np.where(self.numbers == unknown, np.nan, values)

    def packed(self, rows: Sequence[int] | None = None) -> Packed:
        """For the page's script; `rows` are the places of the cells that have a trace, None for all."""
        found = {
            "numbers": packed(self.numbers, self.numbers.dtype.str[1:]),
            "low": packed(self.low, "f8"),
            "step": packed(self.step, "f8"),
        }
        return found | ({} if rows is None else {"rows": packed(rows, "i4")})


def quantised(traces: FloatArray, bits: int) -> Quantised:
    """Traces with so many bits a value.

    Parameters
    ----------
    traces
        (n, T), in any unit; what is not finite becomes "not known".
    bits
        8 or 16.

    Examples
    --------
    >>> quantised(np.array([[0.0, 1.0, np.nan, 0.5]]), 8).values().round(3).tolist()
    [[0.0, 1.0, nan, 0.5]]
    """
    kind, unknown = np.dtype(f"u{bits // 8}"), 2**bits - 1
    known = np.isfinite(traces)
    low = np.where(known, traces, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, traces, -np.inf).max(axis=1, initial=-np.inf)
    low, high = (np.where(np.isfinite(end), end, 0.0) for end in (low, high))
    step = (high - low) / (unknown - 1)
    with np.errstate(invalid="ignore"):
        numbers = np.rint((traces - low[:, None]) / np.where(step > 0, step, 1.0)[:, None])
    return Quantised(np.where(known, numbers, unknown).astype(kind), low, step)


def bits_for(values: int) -> int:
    """Bits a value for traces of so many values in all.

    >>> bits_for(1000 * 361), bits_for(10_000 * 1000)
    (16, 8)
    """
    return 16 if values <= MOST_FINE else 8
