"""Cells that depart from their culture or from their neighbours, by medians and the median absolute deviation (MAD)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.models.scale import NORMAL, mad_scale
from calcigraph.store.types import FloatArray

if TYPE_CHECKING:
    import pandas

RELATIVE = {"k_cell": 0.25}
"""Share of the culture's median that a departure must exceed where intervals are known."""
QUANTITIES = {"k_cell": "coupling", "feed": "feed", "mse_train": "error of the fit"}
"""What is judged, and what the reason calls it."""
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
    """The cells that depart from their culture or from their neighbours by more than `threshold`.

    With v a cell's value and s = 1.4826 MAD of the culture's values:

        z_culture = (v - median of the culture) / s
        z_neighbours = (v - median of the fitted neighbours) / s

    z_neighbours is null where a cell has no fitted neighbour. A quantity whose MAD is 0 gives no row. Each cell appears
    once, with its worst quantity; the worst cell comes first.

    Where the rows know a value's 95 % interval, a departure must fulfil more:

    * it exceeds `threshold` of the value's own standard errors too, because a value that is only imprecise is no
      anomaly;
    * for a coupling, it exceeds a quarter of the culture's median, because contacts and masks are not exact;
    * of the neighbours only those count that do not depart from the culture themselves, because a cell is not abnormal
      for lying beside an abnormal one.

    Parameters
    ----------
    rows
        Those of queries/anomalies.cypher, one per cell: label, uid, k_cell, feed, mse_train, neighbours (labels), and
        the ends of the 95 % intervals (k_cell_low, k_cell_high, feed_low, feed_high).
    culture, model
        What the rows are of; they are written into the table.
    threshold
        In robust standard deviations.

    Returns
    -------
    A row per cell, with COLUMNS.

    Raises
    ------
    InputError
        The threshold is not positive.

    Examples
    --------
    >>> k = [0.010, 0.011, 0.009, 0.010, 0.012, 0.050]
    >>> rows = [{"label": i, "uid": f"A:{i}", "k_cell": value, "neighbours": []} for i, value in enumerate(k)]
    >>> print(find_anomalies(rows, "A", "robust", 3.5).reason[0])
    coupling 0.05 is 26.6 robust deviations above the culture's median of 0.0105
    """
    import pandas

    if not threshold > 0:
        raise InputError(f"threshold must be a positive number of robust deviations, not {threshold:g}")
    # By label, so that of two equally bad quantities or cells the same one is taken on every engine.
    rows = sorted(rows, key=lambda row: int(row["label"]))
    worst: dict[int, _Departure] = {}
    for quantity in QUANTITIES:
        for departure in _departures(quantity, rows, threshold):
            known = worst.get(departure.index)
            if known is None or departure.score > known.score:
                worst[departure.index] = departure
    found = sorted(worst.values(), key=lambda departure: (-departure.score, rows[departure.index]["label"]))
    records = [_record(departure, rows[departure.index], culture, model) for departure in found]
    return pandas.DataFrame(records, columns=list(COLUMNS)).astype(COLUMNS)


@dataclass(frozen=True)
class _Departure:
    """One value of one cell that is beyond the threshold."""

    index: int
    """The cell's row."""
    quantity: str
    """One of QUANTITIES."""
    value: float
    medians: tuple[float, float]
    """Of the culture, and of the fitted neighbours (NaN: none)."""
    z: tuple[float, float]
    """The departure from each, in robust standard deviations."""
    holds: tuple[bool, bool]
    """Which of the two count."""

    @property
    def score(self) -> float:
        """The larger departure of those that count."""
        return max(abs(z) for z, holds in zip(self.z, self.holds, strict=True) if holds)

    @property
    def reason(self) -> str:
        """Such as "coupling 0.0512 is 9.1 robust deviations above the culture's median of 0.0121"."""
        parts = [
            f"{abs(z):.1f} robust deviations {'above' if z > 0 else 'below'} {whose} of {median:.3g}"
            for whose, median, z, holds in zip(_MEDIANS, self.medians, self.z, self.holds, strict=True)
            if holds
        ]
        return f"{QUANTITIES[self.quantity]} {self.value:.3g} is " + " and ".join(parts)


def _record(departure: _Departure, row: Mapping[str, Any], culture: str, model: str) -> dict[str, Any]:
    """The table's row of one cell."""
    return {
        "culture": culture,
        "label": row["label"],
        "uid": row["uid"],
        "quantity": f"{model}_{departure.quantity}",
        "value": departure.value,
        "z_culture": departure.z[0],
        "z_neighbours": departure.z[1],
        "reason": departure.reason,
    }


def _departures(quantity: str, rows: Sequence[Mapping[str, Any]], threshold: float) -> list[_Departure]:
    """The cells beyond the threshold; none where the MAD is 0."""
    values, errors = _column(rows, quantity), _errors(rows, quantity)
    known = np.isfinite(values)
    if not known.any():
        return []
    middle = float(np.median(values[known]))
    scale = mad_scale(values[known] - middle)
    if scale == 0:  # half of the cells or more have one value, so there is no scale to judge the others by
        return []
    around, _ = _neighbour_medians(values, rows)
    z_culture = (values - middle) / scale
    z_neighbours = (values - around) / scale
    # NaN exceeds nothing: cells without a value, or without fitted neighbours, do not depart.
    from_culture = np.abs(z_culture) > threshold
    from_neighbours = np.abs(z_neighbours) > threshold
    with_interval = np.isfinite(errors)
    if with_interval.any():
        # The larger of the two: the culture's scatter, and the value's own standard error.
        least = threshold * np.fmax(scale, errors)
        floor = RELATIVE.get(quantity, 0.0) * abs(middle)
        from_culture &= ~with_interval | (np.abs(values - middle) > np.fmax(least, floor))
        # Only neighbours that are usual themselves: beside an abnormal cell, the others would seem abnormal.
        usual, count = _neighbour_medians(np.where(from_culture, np.nan, values), rows)
        # The median of a few neighbours is uncertain itself: its standard error is sqrt(pi / 2) of the mean's.
        of_median = threshold * scale * np.sqrt(np.pi / 2 / np.maximum(count, 1))
        from_neighbours &= ~with_interval | (np.abs(values - usual) > np.fmax(np.hypot(least, of_median), floor))
    return [
        _Departure(
            index=i,
            quantity=quantity,
            value=float(values[i]),
            medians=(middle, float(around[i])),
            z=(float(z_culture[i]), float(z_neighbours[i])),
            holds=(bool(from_culture[i]), bool(from_neighbours[i])),
        )
        for i in np.flatnonzero(from_culture | from_neighbours).tolist()
    ]


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> FloatArray:
    """(n,), NaN for null."""
    return np.array([row.get(name) for row in rows], dtype=np.float64)


def _errors(rows: Sequence[Mapping[str, Any]], quantity: str) -> FloatArray:
    """Standard errors from the 95 % intervals, (n,), NaN where there is none."""
    value, low, high = (_column(rows, f"{quantity}{side}") for side in ("", "_low", "_high"))
    # The longer side, because the other may be cut off at a bound of the parameter.
    return np.fmax(value - low, high - value) / NORMAL


def _neighbour_medians(values: FloatArray, rows: Sequence[Mapping[str, Any]]) -> tuple[FloatArray, FloatArray]:
    """The median over each cell's neighbours that have a value, (n,), NaN where none has, and their number, (n,)."""
    by_label = {row["label"]: value for row, value in zip(rows, values.tolist(), strict=True) if not math.isnan(value)}
    medians, count = np.full(len(values), np.nan), np.zeros(len(values))
    # In plain Python: a cell has few neighbours, and a call of NumPy's median costs more than sorting six numbers.
    for index, row in enumerate(rows):
        around = sorted(by_label[label] for label in row["neighbours"] if label in by_label)
        if around:
            count[index] = len(around)
            half = len(around) // 2
            even = len(around) % 2 == 0
            medians[index] = (around[half - 1] + around[half]) / 2 if even else around[half]
    return medians, count
