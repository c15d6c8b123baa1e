"""Cells that depart from their culture or from their neighbours, by medians and the median absolute deviation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    import pandas

CONSISTENT = 1.4826
"""Times the median absolute deviation this is the standard deviation of normal values."""
NORMAL = 1.959964
"""Half-width of a 95 % interval in standard errors."""
RELATIVE = {"k_cell": 0.25}
"""Share of the culture's median that a departure must exceed where intervals are known."""
QUANTITIES = {"k_cell": "coupling", "feed": "feed", "mse_train": "error of the fit"}
_MEDIANS = ("the culture's median", "the median of its neighbours")
COLUMNS = {
    "culture": "object",
    "label": "int64",
    "uid": "object",
    "quantity": "object",
    "value": "float64",
    "z_culture": "float64",
    "z_neighbours": "float64",
    "reason": "object",
}


def find_anomalies(rows: Sequence[Mapping[str, Any]], culture: str, model: str, threshold: float) -> pandas.DataFrame:
    """The cells of `rows` (label, uid, k_cell, feed, mse_train, neighbours) that depart by more than `threshold`.

    z_culture = (v - median) / s and z_neighbours = (v - median of the fitted neighbours) / s, s = 1.4826 MAD of the
    culture; null where a cell has no fitted neighbour. A quantity whose MAD is 0 gives no row. Each cell appears with
    its worst quantity, the worst cell first.

    Where the rows know a value's 95 % interval (k_cell_low, k_cell_high, feed_low, ...), more is asked of a departure:
    it must exceed `threshold` of the value's own standard errors too, because a value that is only imprecise is no
    anomaly; a coupling must be off by a quarter of the culture's, because contacts and masks are not exact; and of the
    neighbours only those count that do not depart from the culture themselves, because a cell is not abnormal for
    lying beside an abnormal one.

    Raises InputError for a threshold that is not positive.
    """
    import pandas

    if not threshold > 0:
        raise InputError(f"threshold must be a positive number of robust deviations, not {threshold:g}")
    rows = sorted(rows, key=lambda row: int(row["label"]))
    worst: dict[int, tuple[float, dict[str, Any]]] = {}
    for quantity in QUANTITIES:
        for departure in _departures(quantity, rows, threshold):
            index, score = departure.index, departure.score
            if index not in worst or score > worst[index][0]:
                row = rows[index]
                told = {"culture": culture, "label": row["label"], "uid": row["uid"], "quantity": f"{model}_{quantity}"}
                worst[index] = score, told | departure.told(quantity)
    found = sorted(worst.values(), key=lambda item: (-item[0], item[1]["label"]))
    frame = pandas.DataFrame([row for _, row in found], columns=list(COLUMNS))
    return frame.astype(COLUMNS)


@dataclass(frozen=True)
class _Departure:
    """One value of one cell that is beyond the threshold."""

    index: int
    value: float
    medians: tuple[float, float]
    """Of the culture and of the fitted neighbours (NaN: none)."""
    z: tuple[float, float]
    holds: tuple[bool, bool]
    """Which of the two counts."""

    @property
    def score(self) -> float:
        return max(abs(z) for z, holds in zip(self.z, self.holds, strict=True) if holds)

    def told(self, quantity: str) -> dict[str, Any]:
        """The row's value, scores and reason, such as "coupling 0.0512 is 9.1 robust deviations above ..."."""
        parts = [
            f"{abs(z):.1f} robust deviations {'above' if z > 0 else 'below'} {whose} of {median:.3g}"
            for whose, median, z, holds in zip(_MEDIANS, self.medians, self.z, self.holds, strict=True)
            if holds
        ]
        reason = f"{QUANTITIES[quantity]} {self.value:.3g} is " + " and ".join(parts)
        return {"value": self.value, "z_culture": self.z[0], "z_neighbours": self.z[1], "reason": reason}


def _departures(quantity: str, rows: Sequence[Mapping[str, Any]], threshold: float) -> list[_Departure]:
    """The cells beyond the threshold; none where the MAD is 0."""
    values, errors = _column(rows, quantity), _errors(rows, quantity)
    known = np.isfinite(values)
    if not known.any():
        return []
    middle = float(np.median(values[known]))
    spread = CONSISTENT * float(np.median(np.abs(values[known] - middle)))
    if spread == 0:
        return []
    around, _ = _neighbour_medians(values, rows)
    z_culture, z_neighbours = (values - middle) / spread, (values - around) / spread
    from_culture, from_neighbours = np.abs(z_culture) > threshold, np.abs(z_neighbours) > threshold
    told = np.isfinite(errors)
    if told.any():
        least = threshold * np.fmax(spread, errors)
        floor = RELATIVE.get(quantity, 0.0) * abs(middle)
        from_culture &= ~told | (np.abs(values - middle) > np.fmax(least, floor))
        usual, count = _neighbour_medians(np.where(from_culture, np.nan, values), rows)
        of_median = threshold * spread * np.sqrt(np.pi / 2 / np.maximum(count, 1))
        from_neighbours &= ~told | (np.abs(values - usual) > np.fmax(np.hypot(least, of_median), floor))
    return [
        _Departure(
            i,
            float(values[i]),
            (middle, float(around[i])),
            (float(z_culture[i]), float(z_neighbours[i])),
            (bool(from_culture[i]), bool(from_neighbours[i])),
        )
        for i in np.flatnonzero(from_culture | from_neighbours).tolist()
    ]


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> FloatArray:
    return np.array([row.get(name) for row in rows], dtype=np.float64)


def _errors(rows: Sequence[Mapping[str, Any]], quantity: str) -> FloatArray:
    """Standard errors from the 95 % intervals, (n,), NaN where there is none.

    Of an interval that was cut off at a bound the longer side tells.
    """
    value, low, high = (_column(rows, f"{quantity}{side}") for side in ("", "_low", "_high"))
    return np.fmax(value - low, high - value) / NORMAL


def _neighbour_medians(values: FloatArray, rows: Sequence[Mapping[str, Any]]) -> tuple[FloatArray, FloatArray]:
    """The median over each cell's neighbours that have a value, (n,), NaN where there is none, and their number."""
    by_label = {row["label"]: value for row, value in zip(rows, values.tolist(), strict=True) if value == value}
    medians, count = np.full(len(values), np.nan), np.zeros(len(values))
    for index, row in enumerate(rows):
        around = sorted(by_label[label] for label in row["neighbours"] if label in by_label)
        if around:
            count[index] = len(around)
            half = len(around) // 2
            medians[index] = around[half] if len(around) % 2 else (around[half - 1] + around[half]) / 2
    return medians, count
