"""Cells that depart from their culture or from their neighbours.

Fitted quantities are judged by medians and the median absolute deviation (MAD), events and waves by their own chance
(queries/unusual_firing.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.models.scale import NORMAL, mad_scale
from calcigraph.queries.unusual_firing import Stood, find_firing
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

    z_neighbours is null where a cell has no fitted neighbour. A quantity whose MAD is 0 gives no row. For events and
    waves z_culture is the deviate of a normal distribution with the same tail, and z_neighbours is null. Each cell
    appears once, with its worst quantity and the reasons of all, the worst first; the worst cell comes first.

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
        the ends of the 95 % intervals (k_cell_low, k_cell_high, feed_low, feed_high); and where events were looked for
        events, duration_s, started and links. What is not known is null or left out.
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
    departures = [each for quantity in QUANTITIES for each in _departures(quantity, rows, model, threshold)]
    departures += [_of_firing(each) for each in find_firing(rows, threshold)]
    by_cell: dict[int, list[Departure]] = {}
    for each in sorted(departures, key=lambda each: -each.score):
        by_cell.setdefault(each.index, []).append(each)
    worst_first = sorted(by_cell.values(), key=lambda of_cell: (-of_cell[0].score, rows[of_cell[0].index]["label"]))
    records = [_record(of_cell, rows[of_cell[0].index], culture) for of_cell in worst_first]
    return pandas.DataFrame(records, columns=list(COLUMNS)).astype(COLUMNS)


@dataclass(frozen=True)
class Departure:
    """One value of one cell that is beyond the threshold."""

    index: int
    """The cell's row."""
    quantity: str
    """As the table calls it."""
    value: float
    z: tuple[float, float]
    """The departure from the culture and from the neighbours (NaN: from none), in robust standard deviations."""
    score: float
    """The larger departure of those that count."""
    reason: str
    """Such as "coupling 0.0512 is 9.1 robust deviations above the culture's median of 0.0121"."""


def _reason(quantity: str, value: float, z: Sequence[float], medians: Sequence[float], holds: Sequence[bool]) -> str:
    """Why a fitted value is named: its departures from the culture and the neighbours, of those that count."""
    parts = [
        f"{abs(each):.1f} robust deviations {'above' if each > 0 else 'below'} {whose} of {median:.3g}"
        for whose, median, each, held in zip(_MEDIANS, medians, z, holds, strict=True)
        if held
    ]
    return f"{QUANTITIES[quantity]} {value:.3g} is " + " and ".join(parts)


def _of_firing(stood: Stood) -> Departure:
    return Departure(
        index=stood.index,
        quantity=stood.quantity,
        value=stood.value,
        z=(stood.deviate, math.nan),
        score=abs(stood.deviate),
        reason=stood.reason,
    )


def _record(of_cell: Sequence[Departure], row: Mapping[str, Any], culture: str) -> dict[str, Any]:
    """The table's row of one cell; its departures, the worst first."""
    worst = of_cell[0]
    return {
        "culture": culture,
        "label": row["label"],
        "uid": row["uid"],
        "quantity": worst.quantity,
        "value": worst.value,
        "z_culture": worst.z[0],
        "z_neighbours": worst.z[1],
        "reason": "; ".join(each.reason for each in of_cell),
    }


def _departures(quantity: str, rows: Sequence[Mapping[str, Any]], model: str, threshold: float) -> list[Departure]:
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
    found = []
    for i in np.flatnonzero(from_culture | from_neighbours).tolist():
        z, medians = (float(z_culture[i]), float(z_neighbours[i])), (middle, float(around[i]))
        holds = (bool(from_culture[i]), bool(from_neighbours[i]))
        found.append(
            Departure(
                index=i,
                quantity=f"{model}_{quantity}",
                value=float(values[i]),
                z=z,
                score=max(abs(each) for each, held in zip(z, holds, strict=True) if held),
                reason=_reason(quantity, float(values[i]), z, medians, holds),
            )
        )
    return found


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
