"""Noise of a trace, from the trace itself: how far it falls below its baseline, over one frame and over many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calcigraph.models.events.shapes import Reals
from calcigraph.models.scale import CONSISTENT, row_medians
from calcigraph.store.types import BoolArray, FloatArray

SCALES = (1, 2, 4, 8, 16, 32)
"""Frames over which sums are taken."""
FEWEST_SUMS = 10
"""Sums that do not overlap, from which a scale is measured."""
FEWEST_FREE = 12
"""Negative values outside known events, from which the noise is measured there alone."""
FEWEST_QUIET = 5
"""Resting cells from which those that hardly rest take the colour of their noise."""
HIGHEST = 2.0
"""Deviations up to which values above the baseline count."""
ONE_SIDED = np.sqrt(np.pi / 2)
"""Deviation over the mean of the absolute values, of a normal distribution."""
RELATIVE_ERROR = 1.07
"""Standard error of a logarithm of a deviation, times the root of the values below 0."""
CAUTION = 0.5
"""Standard errors by which the noise of a single cell is taken to be larger than measured."""


@dataclass(frozen=True)
class Noise:
    """Noise of n cells at several lengths of time."""

    frame: FloatArray
    """(n,), deviation of one frame."""
    scales: FloatArray
    """(s,), frames."""
    ratio: FloatArray
    """(n, s), deviation of a sum over so many frames, over what white noise would give: 1 for white noise."""

    def at(self, widths: FloatArray) -> FloatArray:
        """(n, w), the ratio at other widths."""
        if len(self.scales) == 1:
            return np.ones((len(self.frame), len(widths)))
        steps = np.log(self.scales)
        logs = np.log(np.clip(widths, self.scales[0], self.scales[-1]))
        place = np.clip(np.searchsorted(steps, logs, side="right") - 1, 0, len(steps) - 2)
        share = (logs - steps[place]) / (steps[place + 1] - steps[place])
        return np.asarray(self.ratio[:, place] * (1 - share) + self.ratio[:, place + 1] * share)


@dataclass(frozen=True)
class Quiet:
    """What the resting cells of a culture tell of the noise of those that hardly rest."""

    over_steps: float
    """Noise of a frame over the deviation of steps from frame to frame: 1 for white noise."""
    ratio: FloatArray
    """(s,), as `Noise.ratio`."""


def quiet_cells(noise: Noise, steps: FloatArray, resting: BoolArray) -> Quiet:
    """From resting cells, (n,), and steps between frames, (n,); from the quietest cells where too few rest."""
    some = steps > 0
    if not some.any():
        return Quiet(1.0, np.ones(len(noise.scales)))
    over = noise.frame[some] / steps[some]
    if (resting & some).sum() >= FEWEST_QUIET:
        chosen = resting[some]
        return Quiet(float(np.median(over[chosen])), np.median(noise.ratio[some][chosen], axis=0))
    return Quiet(float(np.quantile(over, 0.25)), np.quantile(noise.ratio[some], 0.25, axis=0))


def held_down(noise: Noise, steps: FloatArray, busy: BoolArray, quiet: Quiet) -> Noise:
    """Noise of busy cells, (n,), at most what steps between frames, (n,), allow.

    What a fit leaves of many events is not noise. It is smooth, so that steps from frame to frame hardly show it.
    """
    most = quiet.over_steps * steps
    frame = np.where(busy, np.minimum(noise.frame, most), noise.frame)
    ratio = np.where(busy[:, None], np.minimum(noise.ratio, quiet.ratio), noise.ratio)
    return replace(noise, frame=frame, ratio=ratio)


def step_deviation(rest: Reals) -> FloatArray:
    """(n,), deviation of a frame if noise is white, from steps between the frames of traces, (n, T)."""
    steps = np.diff(rest, axis=1)
    return np.asarray(CONSISTENT * row_medians(np.abs(steps)) / 2**0.5, dtype=np.float64)


@dataclass(frozen=True)
class Sums:
    """What sums over several lengths of time tell of the noise of n cells, each cell by itself."""

    scales: FloatArray
    """(s,), frames."""
    deviation: FloatArray
    """(n, s), deviation of a sum, over the root of its frames."""
    error: FloatArray
    """(n, s), standard error of its logarithm."""


def measure_sums(rest: Reals, active: BoolArray | None = None) -> Sums:
    """Sums of traces whose baseline has been taken off, (n, T).

    Events only raise a trace. What lies below the baseline is noise, so that its deviation follows from the mean m of
    the absolute negative values: sqrt(pi / 2) m for noise with a normal distribution. Sums over 2, 4, ... frames tell
    its colour in the same way. Frames with known events, (n, T), are left out where enough others remain.
    """
    cells, frames = rest.shape
    scales = np.array([scale for scale in SCALES if scale == 1 or scale * FEWEST_SUMS <= frames])
    sums = np.zeros((cells, frames + 1), dtype=rest.dtype)
    np.cumsum(rest, axis=1, out=sums[:, 1:])
    busy = None
    if active is not None:
        busy = np.zeros((cells, frames + 1), dtype=np.int32)
        np.cumsum(active, axis=1, out=busy[:, 1:])
    measured = [_at_scale(sums, busy, scale) for scale in scales.tolist()]
    deviation, error = (np.stack(column, axis=1).astype(np.float64) for column in zip(*measured, strict=True))
    return Sums(scales.astype(float), deviation, error)


def pooled(parts: Sequence[Sums]) -> Noise:
    """The noise of a culture from the sums of all its cells.

    The colour of a cell is drawn towards that of the culture as far as cells do not differ by more than chance
    (empirical Bayes).
    """
    deviation, error = (np.concatenate([getattr(part, name) for part in parts]) for name in ("deviation", "error"))
    frame, scales = deviation[:, 0], parts[0].scales
    ratio = np.log(np.maximum(deviation / np.where(frame > 0, frame, 1.0)[:, None], 0.1))
    # Frames of coloured noise are not so many independent looks: about one in as many as the noise remembers.
    memory = np.maximum(np.exp(2 * ratio.max(axis=1, initial=0.0, keepdims=True)) / 2, 1.0)
    error = error * np.sqrt(np.maximum(memory / scales, 1.0))
    frame = frame * np.exp(_caution(len(frame)) * error[:, 0] * (1 - memory[:, 0] ** -0.5))
    ratio = np.exp(_towards_culture(ratio, error)) if len(ratio) else ratio
    return Noise(frame, scales, np.maximum.accumulate(np.maximum(ratio, 1.0), axis=1))


def _at_scale(sums: Reals, busy: NDArray[np.int32] | None, scale: int) -> tuple[FloatArray, FloatArray]:
    """Deviation of sums over so many frames, over its root, and the standard error of its logarithm, each (n,)."""
    step = max(1, scale // 4)
    values = sums[:, scale::step] - sums[:, :-scale:step]
    values *= values.dtype.type(scale**-0.5)
    below = values < 0
    if busy is not None:
        free = busy[:, scale::step] == busy[:, :-scale:step]
        free |= (np.count_nonzero(below & free, axis=1) < FEWEST_FREE * step)[:, None]
        values *= free
        below &= free
    count = np.maximum(np.count_nonzero(below, axis=1), 1)
    deviation = ONE_SIDED * -np.minimum(values, 0).sum(axis=1) / count
    if busy is not None:
        # What rises above the baseline once events are known is mostly noise too; what is left of events is cut.
        more = np.count_nonzero(values > 0, axis=1)
        np.clip(values, 0, (HIGHEST * deviation).astype(values.dtype)[:, None], out=values)
        upper = ONE_SIDED * values.sum(axis=1) / np.maximum(more, 1)
        deviation = (count * deviation + more * upper) / (count + more)
        count = count + more
    return deviation, RELATIVE_ERROR / np.sqrt(np.maximum(count * step / scale, 1))


def _towards_culture(logs: FloatArray, error: FloatArray) -> FloatArray:
    """Each cell's value drawn to the median over cells as far as chance explains the differences, each (n, s)."""
    cells = len(logs)
    if cells < 2:
        return logs + _caution(cells) * error
    middle = np.median(logs, axis=0)
    scatter = (CONSISTENT * np.median(np.abs(logs - middle), axis=0)) ** 2
    # The median of few cells is itself uncertain.
    true = np.maximum(scatter - np.median(error, axis=0) ** 2, 0.0) + error**2 / cells
    own = true / (true + error**2)
    return np.asarray(own * logs + (1 - own) * middle + _caution(cells) * error * np.sqrt(own))


def _caution(cells: int) -> float:
    """Standard errors to add: twice as many where one cell is all that tells what noise is like."""
    return CAUTION * (1 + 1 / max(cells, 1))
