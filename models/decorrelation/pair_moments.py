"""How much the residual sources of cells in contact correlate, as a polynomial in k and the leak, with its variance.

At the true k and leak the sources of two cells are uncorrelated at all lags, whatever their colour. A wrong k leaves a
part of the neighbour's trace in the source of a cell, which is the neighbour's source passed through the model. So the
most telling moment of cell i and its neighbour j is

    m_ij = w_ij / |N_i| sum_t weight_i(t) e_i(t) (F_i B_i G_j s_j)(t)

where F_i whitens the source of cell i to e_i = F_i s_i, G_j = Q / (D + kappa_j Q) leads from the source of j to its
trace, kappa_j = dt (k R_j + r) is its own relaxation, and B_i leads from the trace of cell j to the derivative of the
source of cell i: (D + r dt Q) / (D + kappa_i Q) for k, and -k dt G_i for the leak. From the sum over pairs in contact
the mean over pairs that are not is subtracted, which removes what all cells share.

Measurement noise n_i of cell i enters the sources of cell i and of its neighbours. What it adds to the moments is known
once its variance is, and is taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from calcigraph.models.decorrelation.pairs import Contacts
from calcigraph.models.decorrelation.residuals import Sources, Whitener, filtered, whitener
from calcigraph.store.types import ComplexArray, FloatArray

AT_ONCE = 1 << 14
"""Complex numbers in an array that is worked on at one time, so that it stays in the processor's cache."""
LEAST_RATE = 0.01
"""Of a cell's own relaxation, in units of k: that of a cell without contacts."""
TINY = 1e-300


@dataclass(frozen=True)
class Moments:
    """The moments at one k and leak, with filters and weights made for these: one for k and one for the leak."""

    k: float
    leak: float
    forms: FloatArray
    """(2, 3, 3): a moment is (1, k, r) form (1, k, r)', noise taken out."""
    pairs: FloatArray
    """(2, e / 2), of each pair in contact, at this k and leak."""
    others: FloatArray
    """(2, p), of each cell with all that it does not touch."""

    def at(self, k: Any, leak: Any) -> FloatArray:
        """The moments, (..., 2), at other k and leak with the filters and weights of these; both broadcast."""
        one, k, leak = np.broadcast_arrays(1.0, k, leak)
        theta = np.stack([one, k, leak], axis=-1)
        return np.asarray(np.einsum("...a,mab,...b->...m", theta, self.forms, theta))

    @cached_property
    def value(self) -> FloatArray:
        """The moments at this k and leak, (2,)."""
        return self.at(self.k, self.leak)

    @cached_property
    def covariance(self) -> FloatArray:
        """Of the moments, (2, 2): pairs are uncorrelated at the truth, so their products sum."""
        return np.asarray(self.pairs @ self.pairs.T + self.others @ self.others.T)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the variance of the moment for k (Satterthwaite)."""
        squares = np.concatenate([self.pairs[0], self.others[0]]) ** 2
        return float(squares.sum() ** 2 / (squares**2).sum())


@dataclass(frozen=True)
class Checks:
    """What else the sources tell at one k and leak: of the assumption behind the moments, and of each cell alone."""

    shared_drive: float
    """How much cells two contacts apart share, in deviations: the model gives them nothing in common."""
    at_once: float
    """How much more the sources of cells in contact have in common within a frame than they should, in deviations."""
    cell_right: FloatArray
    """(p,), and..."""
    cell_slope: FloatArray
    """(p,), ...of each cell alone: its own k is -right / slope."""
    cell_variance: FloatArray
    """(p,), of `cell_right`."""


@dataclass(frozen=True)
class _Filtered:
    """The whitened sources of p cells at one k and leak."""

    theta: FloatArray
    """(3,): 1, k, r."""
    white: Whitener
    whitened: FloatArray
    """(3, p, F), F_i of the parts."""
    whitening: ComplexArray
    """(p, f), F_i."""
    receiving: ComplexArray
    """(3, p, f), of the weighted e_i."""

    @property
    def used(self) -> FloatArray:
        """(p,), sum of the weights of a cell's frames over the square of its scale."""
        return np.asarray(self.white.weights.sum(axis=1) / self.white.scale**2)

    def together(self, parts: Any) -> Any:
        """The sum of three parts, (3, p, ...), times (1, k, r)."""
        return np.einsum("a,ap...->p...", self.theta, parts)


@dataclass(frozen=True)
class _Band:
    """The parts of the sources as they meet in the moments, at b of the f frequencies."""

    receiving: ComplexArray
    """(3, p, b), of the weighted e_i."""
    own: ComplexArray
    """(p, b), their sum times (1, k, r)."""
    spectra: ComplexArray
    """(3, p, b), of the sources, conjugate."""
    whitening: ComplexArray
    """(p, b), F_i."""
    to_trace: ComplexArray
    """(p, b), G_i."""
    responses: ComplexArray
    """(2, p, b), B_i for k and for the leak."""
    sending: ComplexArray
    """(3, p, b), of G_j s_j, conjugate."""
    sent: ComplexArray
    """(p, b), their sum times (1, k, r)."""
    step: ComplexArray
    """(b,), D; `mean` is Q."""
    mean: ComplexArray
    weight: FloatArray
    """(b,), of each frequency in a sum that stands for a sum over time."""

    @cached_property
    def filters(self) -> ComplexArray:
        """(2, p, b), what a neighbour's trace passes on its way to a product with e_i, conjugate."""
        return np.asarray(np.conj(self.whitening * self.responses))


def _filtered(parts: Sources, k: float, leak: float) -> _Filtered:
    white = whitener(parts.residual(k, leak))
    whitened = np.stack([filtered(white.coefficients, part) for part in parts.parts])
    share = white.weights / (white.scale**2)[:, None]
    spectra = [np.fft.rfft(share * part, parts.length, axis=1) * parts.weight for part in whitened]
    return _Filtered(
        theta=np.array([1.0, k, leak]),
        white=white,
        whitened=whitened,
        whitening=np.fft.rfft(white.coefficients, parts.length, axis=1),
        receiving=np.stack(spectra),
    )


def _bands(parts: Sources, contacts: Contacts, at: _Filtered) -> Iterator[_Band]:
    """All frequencies, so many at a time that what is made of them stays in the processor's cache."""
    _, k, leak = at.theta
    kd, rd = max(k, parts.slowest) * parts.dt, max(leak, 0.0) * parts.dt
    # A cell without contacts, or a leak, never comes back to rest: then its trace has no mean.
    rate = (kd * np.maximum(contacts.rate, LEAST_RATE) + rd)[:, None]
    width = max(8, AT_ONCE // contacts.cells)
    for first in range(0, len(parts.step), width):
        cut = slice(first, first + width)
        step, mean = parts.step[cut], parts.mean[cut]
        slow = step + rate * mean
        to_trace = mean / slow
        receiving, spectra = np.ascontiguousarray(at.receiving[:, :, cut]), np.conj(parts.spectra[:, :, cut])
        sending = np.conj(to_trace) * spectra
        yield _Band(
            receiving=receiving,
            own=at.together(receiving),
            spectra=spectra,
            whitening=at.whitening[:, cut],
            to_trace=to_trace,
            responses=np.stack([step / slow + rd * to_trace, -kd * to_trace]),
            sending=sending,
            sent=at.together(sending),
            step=step,
            mean=mean,
            weight=parts.weight[cut],
        )


def moments(parts: Sources, contacts: Contacts, k: float, leak: float) -> Moments:
    """The moments at one k and leak, both in 1/s."""
    at = _filtered(parts, k, leak)
    forms, used = np.zeros((2, 3, 3)), at.used
    pairs, others = np.zeros((2, len(contacts.weight))), np.zeros((2, contacts.cells))
    for band in _bands(parts, contacts, at):
        total = np.stack([contacts.near_and_far(part) for part in band.sending])
        from_far = contacts.far(band.sent)
        forms -= _noise(parts.dt, contacts, band, band.responses, np.conj(band.to_trace), used)
        for moment, filter_ in enumerate(band.filters):
            received = band.own * filter_
            forms[moment] += _forms(band.receiving * filter_, total)
            pairs[moment] += _of_pairs(contacts, received, band.sent)
            others[moment] += _real_sum(received, from_far)
    both = np.stack([_of_both(contacts, values) for values in pairs])
    return Moments(k=k, leak=leak, forms=forms, pairs=both[:, contacts.receiver < contacts.sender], others=others)


def checks(parts: Sources, contacts: Contacts, k: float, leak: float) -> Checks:
    """See `Checks`, at one k and leak, both in 1/s."""
    at = _filtered(parts, k, leak)
    second, right, slope, power = np.zeros((4, contacts.cells))
    for band in _bands(parts, contacts, at):
        filter_, from_far = band.filters[0], contacts.far(band.sent)
        second += _real_sum(band.own * filter_, contacts.second @ band.sent + from_far)
        # Each cell alone: its equation for k with the whitened residual as it is and its neighbours as the instrument.
        instrument = filter_ * (contacts.matrix @ band.sent + from_far)
        right += _real_sum(band.receiving[0] + leak * band.receiving[2], instrument)
        slope += _real_sum(band.receiving[1], instrument)
        power += np.abs(instrument) ** 2 @ band.weight
    weighted = at.white.weights * at.together(at.whitened) / (at.white.scale**2)[:, None]
    return Checks(
        shared_drive=float(second.sum() / max(np.sqrt((second**2).sum()), TINY)),
        at_once=_at_once(parts, contacts, at),
        cell_right=right,
        cell_slope=slope,
        cell_variance=power * (weighted**2).mean(axis=1),
    )


def _at_once(parts: Sources, contacts: Contacts, at: _Filtered) -> float:
    """See `Checks.at_once`: light of a cell in its neighbour's trace makes their sources alike without delay.

    The moment with F_i s_j in place of what s_j makes of its trace, with so much of that for k taken out that k plays
    no part, and what measurement noise adds.
    """
    plain, slope, of_k, slope_of_k = np.zeros((4, len(contacts.weight)))
    noise, used = np.zeros((3, 3)), at.used
    for band in _bands(parts, contacts, at):
        filter_, sources = np.conj(band.whitening), at.together(band.spectra)
        ones = np.ones_like(band.to_trace)
        noise += _noise(parts.dt, contacts, band, ones[None], ones, used)[0]
        plain += _of_pairs(contacts, band.own * filter_, sources)
        slope += _of_pairs(contacts, band.receiving[1] * filter_, sources)
        of_k += _of_pairs(contacts, band.own * band.filters[0], band.sent)
        slope_of_k += _of_pairs(contacts, band.receiving[1] * band.filters[0], band.sent)
    falls = float(contacts.weight @ slope_of_k)
    if not falls < 0:
        return 0.0
    both = _of_both(contacts, plain - float(contacts.weight @ slope) / falls * of_k)
    terms = both[contacts.receiver < contacts.sender]
    size = float(np.linalg.norm(terms))
    return (float(terms.sum()) - float(at.theta @ noise @ at.theta)) / size if size > 0 else 0.0


def contact_moments(parts: Sources, contacts: Contacts, k: float, leak: float) -> tuple[FloatArray, FloatArray]:
    """The moment for k of every contact in each direction, without its weight, and its derivative in k, (e,) each."""
    value, slope = np.zeros((2, len(contacts.weight)))
    for band in _bands(parts, contacts, _filtered(parts, k, leak)):
        filter_ = band.filters[0]
        value += _of_pairs(contacts, band.own * filter_, band.sent)
        slope += _of_pairs(contacts, band.receiving[1] * filter_, band.sent)
        slope += _of_pairs(contacts, band.own * filter_, band.sending[1])
    return value, slope


def _forms(receiving: ComplexArray, total: ComplexArray) -> FloatArray:
    """Sums over cells and frequencies of products of the parts, (3, 3)."""
    real = np.einsum("apb,cpb->ac", receiving.real, total.real)
    return np.asarray(real - np.einsum("apb,cpb->ac", receiving.imag, total.imag))


def _real_sum(left: ComplexArray, right: ComplexArray) -> FloatArray:
    """Real part of the sums over frequencies of products, (p,)."""
    return np.asarray(np.einsum("pf,pf->p", left.real, right.real) - np.einsum("pf,pf->p", left.imag, right.imag))


def _of_pairs(contacts: Contacts, received: ComplexArray, sent: ComplexArray) -> FloatArray:
    """Sums over frequencies of products of receiver and sender of every contact, (e,)."""
    result = np.empty(len(contacts.weight))
    at_once = max(1, AT_ONCE // received.shape[1])
    for first in range(0, len(result), at_once):
        part = slice(first, first + at_once)
        result[part] = _real_sum(received[contacts.receiver[part]], sent[contacts.sender[part]])
    return result


def _of_both(contacts: Contacts, products: FloatArray) -> FloatArray:
    """The weighted products of every contact, both directions together, (e,)."""
    single = contacts.weight * products
    return np.asarray(single + single[contacts.back])


def _noise(
    dt: float, contacts: Contacts, band: _Band, responses: ComplexArray, back: ComplexArray, used: FloatArray
) -> FloatArray:
    """What measurement noise adds to the forms, (2, 3, 3).

    The noise n of the traces is in D n_i, in -dt Q (M n)_i and in dt Q n_i. Of a pair in contact the covariances of
    these parts are, with s the variances: -dt D Q* M_ji s_i and -dt D Q* M_ij s_j between the first two, dt^2 |Q|^2
    (M s M')_ij of the second, and -dt^2 |Q|^2 M_ij s_j and -dt^2 |Q|^2 M_ji s_i between the second and third.
    """
    crossed = band.step * np.conj(band.mean)
    square = np.abs(band.mean) ** 2
    received = np.abs(band.whitening) ** 2 * (used[:, None] * band.weight)
    of_own, of_other, of_shared = (received * (one @ back) for one in contacts.noise)
    forms = np.zeros((len(responses), 3, 3))
    for form, response in zip(forms, np.conj(responses), strict=True):
        own, other, shared = (np.einsum("pb,pb->b", response, one) for one in (of_own, of_other, of_shared))
        form[0, 1] = -dt * (crossed @ own).real
        form[1, 0] = -dt * (np.conj(crossed) @ other).real
        form[1, 1] = dt**2 * (square @ shared).real
        form[1, 2] = -(dt**2) * (square @ other).real
        form[2, 1] = -(dt**2) * (square @ own).real
    return forms
