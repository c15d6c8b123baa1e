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

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from calcigraph.models.consensus import Operator
from calcigraph.models.decorrelation.residuals import Sources, Whitener, filtered, whitener
from calcigraph.store.types import ComplexArray, FloatArray, IntArray

PAIRS_AT_ONCE = 1 << 22
"""Complex numbers that are held for pairs at one time."""
LEAST_RATE = 0.01
"""Of a cell's own relaxation, in units of k: that of a cell without contacts."""
TINY = 1e-300


class Contacts:
    """The contacts between the p inner cells of an operator, each in both directions, and the noise they share.

    Parameters
    ----------
    op
        The operator.
    variance
        (n,), of every cell's measurement noise.
    """

    def __init__(self, op: Operator, variance: FloatArray) -> None:
        from scipy.sparse import coo_array, csr_array

        cells = len(op.inner)
        row = np.repeat(np.arange(cells), np.diff(op.start))
        place = np.full(op.cells, -1)
        place[op.inner] = np.arange(cells)
        between = place[op.neighbour] >= 0
        weight = op.weight[between]
        receiver, sender = row[between], place[op.neighbour[between]]
        order = np.lexsort((sender, receiver))
        self.receiver: IntArray = receiver[order]
        """(e,), i."""
        self.sender: IntArray = sender[order]
        """(e,), j."""
        self.weight: FloatArray = weight[order]
        """(e,), w_ij / |N_i|."""
        self.back: IntArray = np.lexsort((self.receiver, self.sender))
        """(e,), where the pair (j, i) stands."""
        self.rate: FloatArray = op.rate
        """(p,), R_i."""
        self.cells = cells
        shape = (cells, cells)
        self.matrix = csr_array((self.weight, (self.receiver, self.sender)), shape=shape)
        """(p, p), the weights."""
        self.pattern = csr_array((np.ones(len(self.weight)), (self.receiver, self.sender)), shape=shape)
        """(p, p), 1 for a contact."""
        others = cells - 1 - np.asarray(self.pattern.sum(axis=1))
        self.contrast: FloatArray = np.asarray(self.matrix.sum(axis=1)) / np.maximum(others, 1) * (others > 0)
        """(p,), of each pair that is not in contact: these weights and those of the contacts sum to 0."""
        self.second = _second_ring(self.matrix, self.pattern)
        """(p, p), what cells two contacts apart get instead of neighbours: the same sum over each cell's."""
        self.variance: FloatArray = variance[op.inner]
        """(p,), of the inner cells' noise."""
        whole = coo_array((op.weight, (row, op.neighbour)), shape=(cells, op.cells)).tocsr()
        own = coo_array((-op.rate, (np.arange(cells), op.inner)), shape=(cells, op.cells)).tocsr()
        both = (whole + own).tocsr()
        shared = (both * variance[None, :]).tocsr() @ both.T
        # The covariance of (M n)_i and (M n)_j of the pairs in contact.
        self.noise_between: FloatArray = np.asarray(shared.tocsr()[self.receiver, self.sender]).ravel()


def _second_ring(matrix: Any, pattern: Any) -> Any:
    """Weights of pairs that have a neighbour in common but no contact, (p, p)."""
    from scipy.sparse import csr_array, diags_array

    two = ((pattern @ pattern) > 0).astype(np.float64)
    two = csr_array(two - two.multiply(pattern) - diags_array(two.diagonal()))
    two.eliminate_zeros()
    count = np.asarray(two.sum(axis=1))
    return csr_array(diags_array(np.asarray(matrix.sum(axis=1)) / np.maximum(count, 1)) @ two)


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
    """The parts of the sources as they meet in the moments at one k and leak; f frequencies."""

    theta: FloatArray
    """(3,): 1, k, r."""
    white: Whitener
    whitened: FloatArray
    """(3, p, F), F_i of the parts."""
    whitening: ComplexArray
    """(p, f), F_i."""
    to_trace: ComplexArray
    """(p, f), G_i."""
    responses: ComplexArray
    """(2, p, f), B_i for k and for the leak."""
    receiving: ComplexArray
    """(3, p, f), of the weighted e_i."""
    sending: ComplexArray
    """(3, p, f), of G_j s_j, conjugate."""

    @property
    def filters(self) -> ComplexArray:
        """(2, p, f), what a neighbour's trace passes on its way to a product with e_i, conjugate."""
        return np.asarray(np.conj(self.whitening * self.responses))

    @property
    def used(self) -> FloatArray:
        """(p,), sum of the weights of a cell's frames over the square of its scale."""
        return np.asarray(self.white.weights.sum(axis=1) / self.white.scale**2)

    def together(self, parts: ComplexArray) -> ComplexArray:
        """The sum of three parts, (3, p, f), times (1, k, r)."""
        return np.asarray(np.einsum("a,apf->pf", self.theta, parts))


def _filtered(parts: Sources, contacts: Contacts, k: float, leak: float) -> _Filtered:
    dt, step, mean = parts.dt, parts.step, parts.mean
    white = whitener(parts.residual(k, leak))
    kd, rd = max(k, parts.slowest) * dt, max(leak, 0.0) * dt
    # A cell without contacts, or a leak, never comes back to rest: then its trace has no mean.
    slow = step + (kd * np.maximum(contacts.rate, LEAST_RATE) + rd)[:, None] * mean
    to_trace = mean / slow
    whitened = np.stack([filtered(white.coefficients, part) for part in parts.parts])
    weighted = white.weights * whitened / (white.scale**2)[:, None]
    return _Filtered(
        theta=np.array([1.0, k, leak]),
        white=white,
        whitened=whitened,
        whitening=np.fft.rfft(white.coefficients, parts.length, axis=1),
        to_trace=to_trace,
        responses=np.stack([step / slow + rd * to_trace, -kd * to_trace]),
        receiving=np.fft.rfft(weighted, parts.length, axis=2) * parts.weight,
        sending=np.conj(to_trace * parts.spectra),
    )


def moments(parts: Sources, contacts: Contacts, k: float, leak: float) -> Moments:
    """The moments at one k and leak, both in 1/s."""
    at = _filtered(parts, contacts, k, leak)
    near, far = _near_and_far(contacts, at.sending)
    forms = np.stack([_forms(at.receiving * filter_, near + far) for filter_ in at.filters])
    forms -= _noise(parts, contacts, at.whitening, at.responses, np.conj(at.to_trace), at.used)
    own, from_far = at.together(at.receiving), at.together(far)
    both = np.stack([_of_both(contacts, own * filter_, at.together(at.sending)) for filter_ in at.filters])
    return Moments(
        k=k,
        leak=leak,
        forms=forms,
        pairs=both[:, contacts.receiver < contacts.sender],
        others=np.stack([_real_sum(own * filter_, from_far) for filter_ in at.filters]),
    )


def checks(parts: Sources, contacts: Contacts, k: float, leak: float) -> Checks:
    """See `Checks`, at one k and leak, both in 1/s."""
    at = _filtered(parts, contacts, k, leak)
    near, far = _near_and_far(contacts, at.sending)
    from_far = at.together(far)
    beyond = at.together(np.stack([contacts.second @ part for part in at.sending])) + from_far
    second = _real_sum(at.together(at.receiving) * at.filters[0], beyond)
    # Each cell alone: its equation for k with the whitened residual as it is and its neighbours as the instrument.
    instrument = at.filters[0] * (at.together(near) + from_far)
    weighted = at.white.weights * at.together(at.whitened.astype(np.complex128)).real / (at.white.scale**2)[:, None]
    return Checks(
        shared_drive=float(second.sum() / max(np.sqrt((second**2).sum()), TINY)),
        at_once=_at_once(parts, contacts, at),
        cell_right=_real_sum(at.receiving[0] + leak * at.receiving[2], instrument),
        cell_slope=_real_sum(at.receiving[1], instrument),
        cell_variance=(np.abs(instrument) ** 2 @ parts.weight) * (weighted**2).mean(axis=1),
    )


def _near_and_far(contacts: Contacts, sending: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
    """What each cell gets from its neighbours, and in contrast from all others, (3, p, f) each.

    Sums of each cell before any product, so that the cost does not grow with the pairs.
    """
    near = np.stack([contacts.matrix @ part for part in sending])
    far = sending.sum(axis=1)[:, None] - sending - np.stack([contacts.pattern @ part for part in sending])
    far *= -contacts.contrast[:, None]
    return near, far


def _at_once(parts: Sources, contacts: Contacts, at: _Filtered) -> float:
    """See `Checks.at_once`: light of a cell in its neighbour's trace makes their sources alike without delay.

    The moment with F_i s_j in place of what s_j makes of its trace, with so much of that for k taken out that k plays
    no part, and what measurement noise adds.
    """
    own, filter_ = at.together(at.receiving), np.conj(at.whitening)
    plain = np.conj(parts.spectra)
    ones = np.ones_like(at.to_trace)
    noise = _noise(parts, contacts, at.whitening, ones[None], ones, at.used)[0]
    of_k = _of_both(contacts, own * at.filters[0], at.together(at.sending))
    slope = float(contacts.weight @ _of_pairs(contacts, at.receiving[1] * filter_, at.together(plain)))
    of_trace = _of_pairs(contacts, at.receiving[1] * at.filters[0], at.together(at.sending))
    slope_of_k = float(contacts.weight @ of_trace)
    if not slope_of_k < 0:
        return 0.0
    both = _of_both(contacts, own * filter_, at.together(plain)) - slope / slope_of_k * of_k
    terms = both[contacts.receiver < contacts.sender]
    size = float(np.linalg.norm(terms))
    return (float(terms.sum()) - float(at.theta @ noise @ at.theta)) / size if size > 0 else 0.0


def contact_moments(parts: Sources, contacts: Contacts, k: float, leak: float) -> tuple[FloatArray, FloatArray]:
    """The moment for k of every contact in each direction, without its weight, and its derivative in k, (e,) each."""
    at = _filtered(parts, contacts, k, leak)
    filter_, own, sent = at.filters[0], at.together(at.receiving), at.together(at.sending)
    value = _of_pairs(contacts, own * filter_, sent)
    slope = _of_pairs(contacts, at.receiving[1] * filter_, sent) + _of_pairs(contacts, own * filter_, at.sending[1])
    return value, slope


def _forms(receiving: ComplexArray, total: ComplexArray) -> FloatArray:
    """Sums over cells and frequencies of products of the parts, (3, 3)."""
    left = receiving.reshape(len(receiving), -1)
    right = total.reshape(len(total), -1)
    return np.asarray(left.real @ right.real.T - left.imag @ right.imag.T)


def _real_sum(left: ComplexArray, right: ComplexArray) -> FloatArray:
    """Real part of the sums over frequencies of products, (p,)."""
    return np.asarray(np.einsum("pf,pf->p", left.real, right.real) - np.einsum("pf,pf->p", left.imag, right.imag))


def _of_pairs(contacts: Contacts, received: ComplexArray, sent: ComplexArray) -> FloatArray:
    """Sums over frequencies of products of receiver and sender of every contact, (e,)."""
    result = np.empty(len(contacts.weight))
    at_once = max(1, PAIRS_AT_ONCE // received.shape[1])
    for first in range(0, len(result), at_once):
        part = slice(first, first + at_once)
        result[part] = _real_sum(received[contacts.receiver[part]], sent[contacts.sender[part]])
    return result


def _of_both(contacts: Contacts, received: ComplexArray, sent: ComplexArray) -> FloatArray:
    """The weighted products of every contact, both directions together, (e,)."""
    single = contacts.weight * _of_pairs(contacts, received, sent)
    return np.asarray(single + single[contacts.back])


def _noise(
    parts: Sources, contacts: Contacts, a: ComplexArray, responses: ComplexArray, back: ComplexArray, used: FloatArray
) -> FloatArray:
    """What measurement noise adds to the forms, (2, 3, 3).

    The noise n of the traces is in D n_i, in -dt Q (M n)_i and in dt Q n_i. Of a pair in contact the covariances of
    these parts are, with s the variances: -dt D Q* M_ji s_i and -dt Q D* M_ij s_j between the first two, dt^2 |Q|^2
    (M s M')_ij of the second, and -dt^2 |Q|^2 M_ij s_j and -dt^2 |Q|^2 M_ji s_i between the second and third.
    """
    from scipy.sparse import csr_array

    dt, step, mean = parts.dt, parts.step, parts.mean
    shape, at = (contacts.cells, contacts.cells), (contacts.receiver, contacts.sender)
    there, variance = contacts.weight[contacts.back], contacts.variance
    square = (mean * np.conj(mean)).astype(np.complex128)

    def at_neighbours(values: FloatArray) -> ComplexArray:
        """Sums over contacts of values times w_ij / |N_i|, the weight of the moment, and of what j's filter does."""
        return np.asarray(csr_array((contacts.weight * values, at), shape=shape) @ back)

    of_own = at_neighbours(there * variance[contacts.receiver])
    of_other = at_neighbours(contacts.weight * variance[contacts.sender])
    of_shared = at_neighbours(contacts.noise_between)
    forms = np.zeros((len(responses), 3, 3))
    for form, response in zip(forms, responses, strict=True):
        base = np.abs(a) ** 2 * np.conj(response) * (used[:, None] * parts.weight)

        def summed(kernel: ComplexArray, sent: ComplexArray, base: ComplexArray = base) -> float:
            return float((base * kernel * sent).real.sum())

        form[0, 1] = -dt * summed(step * np.conj(mean), of_own)
        form[1, 0] = -dt * summed(mean * np.conj(step), of_other)
        form[1, 1] = dt**2 * summed(square, of_shared)
        form[1, 2] = -(dt**2) * summed(square, of_other)
        form[2, 1] = -(dt**2) * summed(square, of_own)
    return forms
