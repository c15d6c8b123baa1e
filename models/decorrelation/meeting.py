"""The residual sources as they meet in the moments: as every cell passes them on, and as its neighbours receive them.

All cells pass on G_j s_j / Q, with G_j = Q / (D + kappa_j Q). They are received so many cells at a time that what is
made of them stays in the processor's cache. Of two spectra only the real part of x y*, summed over frequencies, is ever
asked for. That is the product of their real and imaginary parts as real numbers side by side (`reals`), and no
conjugate is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calcigraph.models.decorrelation.pairs import Block, Contacts
from calcigraph.models.decorrelation.residuals import Sources, Whitener, filtered, whitener
from calcigraph.store.types import ComplexArray, FloatArray

AT_ONCE = 1 << 15
"""Complex numbers in an array that is worked on at one time, so that it stays in the processor's cache."""
LEAST_RATE = 0.01
"""Of a cell's own relaxation, in units of k: that of a cell without contacts."""


@dataclass(frozen=True)
class Sent:
    """What the sources of p cells make of their traces at one k and leak, at f frequencies."""

    k: float
    leak: float
    fold: FloatArray
    """(n, 3), which n sums of the parts of the sources are passed on."""
    kd: float
    """k dt, at least that of the slowest coupling that shows."""
    rd: float
    """r dt."""
    to_rest: ComplexArray
    """(p, f), 1 / (D + kappa_j Q)."""
    passed: ComplexArray
    """(n, p + 1, f), these sums times that; in the last place, their sum over cells."""

    @property
    def theta(self) -> FloatArray:
        """(n,), times which the n sums are the sources: 1, k, r, or 1, r."""
        return np.array([1.0, self.k, self.leak] if len(self.fold) == 3 else [1.0, self.leak])

    @cached_property
    def together(self) -> FloatArray:
        """The sources as they are passed on, (p + 1, 2 f)."""
        return _together(self.theta, self.passed)


@dataclass(frozen=True)
class Received:
    """The whitened sources of b cells."""

    block: Block
    theta: FloatArray
    """(n,), see `Sent`."""
    white: Whitener
    weighted: FloatArray
    """(n, b, F), the whitened parts times the weights of their frames over the square of the cell's scale."""
    spectra: ComplexArray
    """(n, b, f), of these."""
    delays: ComplexArray
    """(lags + 1, f), what each lag of the autoregression does."""
    to_rest: ComplexArray
    """(b, f), 1 / (D + kappa_i Q)."""

    @cached_property
    def whitening(self) -> ComplexArray:
        """(b, f), F_i."""
        return np.asarray((self.white.coefficients @ reals(self.delays)).view(np.complex128))

    @property
    def used(self) -> FloatArray:
        """(b,), sum of the weights of a cell's frames over the square of its scale."""
        return np.asarray(self.white.weights.sum(axis=1) / self.white.scale**2)

    @cached_property
    def filters(self) -> ComplexArray:
        """(b, f), what the trace of a neighbour passes on its way, save for the gain that is the same for all cells."""
        return np.asarray(self.whitening * self.to_rest)

    @property
    def together(self) -> FloatArray:
        """The spectra of the sources, (b, 2 f)."""
        return _together(self.theta, self.spectra)

    def instruments(self, spectra: FloatArray, gain: ComplexArray) -> FloatArray:
        """What products with `Sent.together` give the moments of these spectra, (b, 2 f), with m gains: (b, m, 2 f)."""
        result = np.empty((len(self.filters), len(gain), len(gain[0])), dtype=np.complex128)
        for place, one in enumerate(gain):
            np.multiply(self.filters, one, out=result[:, place])
        np.conj(result, out=result)
        result *= spectra.view(np.complex128)[:, None]
        return reals(result)


def reals(values: ComplexArray) -> FloatArray:
    """Complex values as real ones, real and imaginary parts side by side, (..., 2 f)."""
    return values.view(np.float64)


def _together(theta: FloatArray, parts: ComplexArray) -> FloatArray:
    total = parts[0].copy() if len(parts) == 2 else parts[0] + theta[1] * parts[1]
    if theta[-1]:
        total += theta[-1] * parts[-1]
    return reals(total)


@contextmanager
def sent(parts: Sources, contacts: Contacts, k: float, leak: float, folded: bool = False) -> Iterator[Sent]:
    """What the cells pass on at one k and leak, both in 1/s.

    `folded` if the first part and k times the second are passed on as one: enough where k is not varied.
    """
    kd, rd = max(k, parts.slowest) * parts.dt, max(leak, 0.0) * parts.dt
    # A cell without contacts, or a leak, never comes back to rest: then its trace has no mean.
    rate = kd * np.maximum(contacts.rate, LEAST_RATE) + rd
    fold = np.array([[1.0, k, 0.0], [0.0, 0.0, 1.0]]) if folded else np.eye(3)
    try:
        memory = parts.spare.pop()
    except IndexError:  # none, or other threads have it
        memory = np.empty((4, contacts.cells + 1, len(parts.step)), dtype=np.complex128)
    to_rest, passed = memory[3, :-1], memory[: len(fold)]
    _pass_on(parts, rate, k if folded else None, to_rest, passed)
    yield Sent(k=k, leak=leak, fold=fold, kd=kd, rd=rd, to_rest=to_rest, passed=passed)
    parts.spare.append(memory)


def _pass_on(
    parts: Sources, rate: FloatArray, folded_k: float | None, to_rest: ComplexArray, passed: ComplexArray
) -> None:
    """Fill in what `Sent` holds, from kappa of each cell, (p,)."""
    passed[:, -1] = 0
    for cells in cuts(len(rate), len(parts.step)):
        back = to_rest[cells]
        _inverse(parts.step, parts.mean, rate[cells, None], back)
        if folded_k is None:
            np.multiply(parts.spectra[:, cells], back, out=passed[:, cells])
        else:
            both = folded_k * parts.spectra[1, cells]
            both += parts.spectra[0, cells]
            np.multiply(both, back, out=passed[0, cells])
            np.multiply(parts.spectra[2, cells], back, out=passed[1, cells])
        passed[:, -1] += passed[:, cells].sum(axis=1)


def gains(parts: Sources, at: Sent) -> ComplexArray:
    """The gains of the moments for k and for the leak, (2, f), which are the same for all cells; weighted for sums."""
    for_k, for_leak = (parts.step + at.rd * parts.mean) * parts.mean, -at.kd * parts.mean**2
    return np.asarray(np.stack([for_k, for_leak]) * parts.weight)


def received(parts: Sources, contacts: Contacts, at: Sent) -> Iterator[Received]:
    """The whitened sources of all cells, block by block."""
    from scipy.fft import rfft

    size = cell_count(len(parts.step))
    for block in contacts.blocks(size):
        cells = block.cells
        white, weighted = whitened(parts, at, cells)
        yield Received(
            block=block,
            theta=at.theta,
            white=white,
            weighted=weighted,
            spectra=rfft(weighted, parts.length, axis=2),
            delays=(parts.step + 1) ** -np.arange(white.coefficients.shape[1])[:, None],
            to_rest=at.to_rest[cells],
        )


def whitened(parts: Sources, at: Sent, cells: slice) -> tuple[Whitener, FloatArray]:
    """What whitens the sources of some cells, and `Received.weighted`."""
    white = whitener(parts.residual(at.k, at.leak, cells))
    weighted = np.empty((len(at.fold), *white.white.shape))
    for place in range(1, len(weighted)):
        weighted[place] = filtered(white.coefficients, parts.parts[place + 3 - len(weighted), cells])
    # The first part is what the others leave of the whole.
    weighted[0] = white.white
    for place in range(1, len(weighted)):
        weighted[0] -= at.theta[place] * weighted[place]
    weighted *= white.weights / (white.scale**2)[:, None]
    return white, weighted


def cell_count(frequencies: int) -> int:
    """How many cells are worked on at one time."""
    return max(8, AT_ONCE // frequencies)


def cuts(cells: int, frequencies: int) -> Iterator[slice]:
    """All cells, so many at a time."""
    size = cell_count(frequencies)
    return (slice(first, min(first + size, cells)) for first in range(0, cells, size))


def _inverse(step: ComplexArray, mean: ComplexArray, rate: FloatArray, out: ComplexArray) -> None:
    """1 / (step + rate mean), without complex division, which is slow."""
    real, imaginary = step.real + rate * mean.real, step.imag + rate * mean.imag
    square = real * real + imaginary * imaginary
    np.divide(real, square, out=out.real)
    np.divide(imaginary, square, out=out.imag)
    np.negative(out.imag, out=out.imag)
