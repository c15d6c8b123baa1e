"""The residual sources of the inner cells, as functions of k and the leak, and what whitens them.

The model is y_i' = k (M y)_i - r y_i + s_i (eqs. 1-3 with a leak r; M y is the consensus of eq. 4). Over the frame
interval m, with D the step to the next frame and Q the mean over the interval by a four-point rule,

    s_i(m) dt = D y_i - k dt Q (M y)_i + r dt Q y_i

which is linear in (1, k, r). A polynomial in time is taken out of every cell: its feed and slow drift of brightness.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.quadrature import frame_means
from calcigraph.models.scale import CONSISTENT, TUKEY, bisquare, row_medians
from calcigraph.store.types import BoolArray, ComplexArray, FloatArray

FRAMES_A_LAG, MOST_LAGS = 20, 6
"""Frames for each lag of a cell's autoregression, and the most lags."""
WHITENINGS = 3
"""Rounds of autoregression and weights."""
COUNTS = 0.3
"""Weight above which a frame counts in a cell's autocovariance."""
SHRUNK = 0.98
"""Times the autocovariances of lags above 0, so that the autoregression is stable."""
STEEPEST = 0.995
"""Largest reflection of an autoregression, so that it is stable."""
CELLS_AT_ONCE = 64
"""Cells of which spectra are made at one time."""
TINY = 1e-12
ALL = slice(None)


@dataclass(frozen=True)
class Sources:
    """What the residual sources of p inner cells over F frame intervals are made of."""

    parts: FloatArray
    """(3, p, F): D y, -dt Q M y and dt Q y, trend taken out: the sources are their sum times (1, k, r)."""
    spectra: ComplexArray
    """(3, p, f), their Fourier transforms, padded with zeros to twice the length."""
    step: ComplexArray
    """(f,), D as a function of frequency."""
    mean: ComplexArray
    """(f,), Q as a function of frequency."""
    weight: FloatArray
    """(f,), of each frequency in a sum that stands for a sum over time."""
    dt: float
    """Seconds between frames."""
    drift_order: int
    """Degree of the polynomial that was taken out."""
    spare: list[ComplexArray] = field(default_factory=list)
    """(4, p + 1, f) each, memory that moments are made in, for the next ones: a system clears what it hands out."""

    @property
    def length(self) -> int:
        """Points of the padded series."""
        return 2 * (len(self.step) - 1)

    @property
    def slowest(self) -> float:
        """1/s, the least k that filters are made for: a slower one does not show in the recording."""
        return float(4 / (self.parts.shape[2] * self.dt))

    def residual(self, k: float, leak: float, cells: slice = ALL) -> FloatArray:
        """The sources times dt, (p, F), or those of some cells."""
        parts = self.parts[:, cells]
        return np.asarray(parts[0] + k * parts[1] + leak * parts[2])


@dataclass(frozen=True)
class Whitener:
    """What turns each cell's residual sources into white noise of deviation 1, outside its spikes."""

    coefficients: FloatArray
    """(p, lags + 1), of the autoregression; the first is 1."""
    scale: FloatArray
    """(p,), robust deviation of the whitened residual."""
    weights: FloatArray
    """(p, F), 0 to 1, of each frame: spikes have none."""
    white: FloatArray
    """(p, F), the whitened residual, not divided by the scale."""


def sources(op: Operator, traces: FloatArray, dt: float, drift_order: int) -> Sources:
    """The residual sources of a culture.

    Parameters
    ----------
    op
        p inner cells of n.
    traces
        (n, T), intensities.
    dt
        Seconds between frames.
    drift_order
        Degree of the polynomial in time that is taken out.
    """
    from scipy.fft import next_fast_len

    parts = source_parts(op, traces, dt, drift_order)
    frames = parts.shape[2]
    length = 2 * next_fast_len(frames + 4, real=True)  # even, and twice the frames, so that no end meets the start
    turn = np.exp(2j * np.pi * np.fft.rfftfreq(length))
    weight = np.full(len(turn), 2.0)
    weight[[0, -1]] = 1.0
    return Sources(
        parts=parts,
        spectra=_spectra(parts, length),
        step=turn - 1,
        mean=(-1 / turn + 13 + 13 * turn - turn**2) / 24,
        weight=weight / length,
        dt=dt,
        drift_order=drift_order,
    )


def of_other_law(known: Sources, op: Operator, traces: FloatArray) -> Sources:
    """The residual sources of the same traces with other weights of the contacts: only the pull differs."""
    pull = _trendless(_pull(op, traces - traces.mean(axis=0), known.dt)[None], known.drift_order)
    parts, spectra = known.parts.copy(), known.spectra.copy()
    parts[1], spectra[1] = pull[0], _spectra(pull, known.length)[0]
    return replace(known, parts=parts, spectra=spectra)


def source_parts(op: Operator, traces: FloatArray, dt: float, drift_order: int) -> FloatArray:
    """`Sources.parts` from what `sources` is given."""
    # What all cells share in a frame (lamp, glow) is no difference between neighbours, and the contrast of the moments
    # takes out what this leaves.
    traces = traces - traces.mean(axis=0)
    own = traces[op.inner]
    parts = np.stack([np.diff(own, axis=1), _pull(op, traces, dt), dt * frame_means(own)])
    return _trendless(parts, drift_order)


def _pull(op: Operator, traces: FloatArray, dt: float) -> FloatArray:
    return -dt * frame_means(op.apply(traces))


def _trendless(parts: FloatArray, order: int) -> FloatArray:
    powers = np.linspace(-1, 1, parts.shape[-1])[:, None] ** np.arange(order + 1)
    trend = np.linalg.qr(powers)[0]
    return np.asarray(parts - (parts @ trend) @ trend.T)


def _spectra(parts: FloatArray, length: int) -> ComplexArray:
    """Fourier transforms of (n, p, F), padded to a length."""
    from scipy.fft import rfft

    spectra = np.empty((*parts.shape[:2], length // 2 + 1), dtype=np.complex128)
    for first in range(0, parts.shape[1], CELLS_AT_ONCE):
        cells = slice(first, first + CELLS_AT_ONCE)
        spectra[:, cells] = rfft(parts[:, cells], length, axis=2)
    return spectra


def whitener(residual: FloatArray) -> Whitener:
    """Each cell's autoregression and the weights of its frames, from its residual sources (p, F)."""
    frames = residual.shape[1]
    lags = int(np.clip(frames // FRAMES_A_LAG, 1, MOST_LAGS))
    earlier = delayed(residual, lags)
    covariance = _covariance(earlier, residual, np.arange(frames, frames - lags - 1.0, -1.0))
    for turn in range(WHITENINGS):
        coefficients = _autoregression(covariance)
        white = weighted_sum(coefficients, earlier)
        scale = np.maximum(CONSISTENT * row_medians(np.abs(white)), TINY)
        weights = bisquare(white, scale[:, None], TUKEY)
        if turn < WHITENINGS - 1:
            covariance = _counted_covariance(residual, weights > COUNTS, lags)
    return Whitener(coefficients=coefficients, scale=scale, weights=weights, white=white)


def filtered(coefficients: FloatArray, values: FloatArray) -> FloatArray:
    """sum_l a_l x(t - l) of every row, (p, F), from coefficients (p, lags + 1)."""
    return weighted_sum(coefficients, delayed(values, coefficients.shape[1] - 1))


def delayed(values: FloatArray, lags: int) -> FloatArray:
    """x(t - l) of every row of (p, F), for the lags 0 to `lags`, 0 before the first frame: (p, lags + 1, F).

    Side by side they cost less than one after the other: every sum over lags is a product of matrices.
    """
    result = np.empty((len(values), lags + 1, values.shape[1]))
    for lag in range(lags + 1):
        result[:, lag, :lag] = 0
        result[:, lag, lag:] = values[:, : values.shape[1] - lag]
    return result


def weighted_sum(coefficients: FloatArray, earlier: FloatArray) -> FloatArray:
    """The sum over lags, (p, F), of coefficients (p, lags + 1) times what `delayed` gave."""
    return np.asarray((coefficients[:, None] @ earlier)[:, 0])


def _counted_covariance(values: FloatArray, counted: BoolArray, lags: int) -> FloatArray:
    """Mean products of values 0 to `lags` frames apart, both counted, (p, lags + 1)."""
    one = counted.astype(np.float64)
    both = np.einsum("plf,pf->pl", delayed(one, lags), one)
    kept = values * one
    return _covariance(delayed(kept, lags), kept, np.maximum(both, 1))


def _covariance(earlier: FloatArray, values: FloatArray, count: FloatArray) -> FloatArray:
    """Mean products (p, lags + 1) of values (p, F) with what `delayed` made of them, from the count of each."""
    # Without a BLAS: what it gives depends on the number of its threads.
    result = np.asarray(np.einsum("plf,pf->pl", earlier, values) / count)
    result[:, 1:] *= SHRUNK
    result[:, 0] = np.maximum(result[:, 0], TINY**2)
    return result


def _autoregression(covariance: FloatArray) -> FloatArray:
    """Coefficients (p, lags + 1) that whiten series of these autocovariances (Levinson-Durbin recursion)."""
    cells, order = covariance.shape
    # Lags first, so that each step works on whole rows.
    lagged, a = np.ascontiguousarray(covariance.T), np.zeros((order, cells))
    a[0] = 1
    variance = lagged[0].copy()
    for m in range(1, order):
        ahead = (a[:m] * lagged[m:0:-1]).sum(axis=0)
        reflection = np.minimum(np.maximum(-ahead / np.maximum(variance, TINY**2), -STEEPEST), STEEPEST)
        a[1 : m + 1] += reflection * a[m - 1 :: -1][:m]
        variance *= 1 - reflection**2
    return np.ascontiguousarray(a.T)
