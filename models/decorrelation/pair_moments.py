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

from calcigraph.models.decorrelation.meeting import Received, Sent, gains, reals, received, sent
from calcigraph.models.decorrelation.pairs import Contacts
from calcigraph.models.decorrelation.residuals import Sources
from calcigraph.store.types import ComplexArray, FloatArray

TINY = 1e-300


@dataclass(frozen=True)
class Forms:
    """The moments at one k and leak, with filters and weights made for these: one for k and one for the leak."""

    k: float
    leak: float
    forms: FloatArray
    """(2, 3, 3): a moment is (1, k, r) form (1, k, r)', noise taken out."""

    def at(self, k: Any, leak: Any) -> FloatArray:
        """The moments, (..., 2), at other k and leak with the filters and weights of these; both broadcast."""
        one, k, leak = np.broadcast_arrays(1.0, k, leak)
        theta = np.stack([one, k, leak], axis=-1)
        return np.asarray(np.einsum("...a,mab,...b->...m", theta, self.forms, theta))

    @cached_property
    def value(self) -> FloatArray:
        """The moments at this k and leak, (2,)."""
        return self.at(self.k, self.leak)


@dataclass(frozen=True)
class Moments(Forms):
    """The same, and how well they are known."""

    pairs: FloatArray
    """(2, e / 2), of each pair in contact, at this k and leak."""
    others: FloatArray
    """(2, p), of each cell with all that it does not touch."""

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
    contacts: tuple[FloatArray, FloatArray]
    """See `contact_moments`."""


def forms(parts: Sources, contacts: Contacts, k: float, leak: float) -> Forms:
    """The moments at one k and leak, both in 1/s, as polynomials; how well they are known takes as long again."""
    with sent(parts, contacts, k, leak) as at:
        total = _Sum(parts, at)
        for got in received(parts, contacts, at):
            total.add(got)
        return Forms(k=k, leak=leak, forms=total.forms())


def moments(parts: Sources, contacts: Contacts, k: float, leak: float, one_k: bool = False) -> Moments:
    """The moments at one k and leak, both in 1/s; `one_k` if they are asked for other leaks, but for no other k.

    Then the parts that do not depend on the leak go together, which saves a third.
    """
    with sent(parts, contacts, k, leak, folded=one_k) as at:
        total, sources, gain = _Sum(parts, at), at.together, gains(parts, at)
        pairs, others = np.zeros((2, len(contacts.weight))), np.zeros((2, contacts.cells))
        for got in received(parts, contacts, at):
            total.add(got)
            block = got.block
            to_neighbours = got.instruments(got.together, gain)
            pairs[:, block.edges] = block.pairs(to_neighbours, sources)
            others[:, block.cells] = np.einsum("pmf,pf->mp", to_neighbours, block.far @ sources)
        both = np.stack([_of_both(contacts, values) for values in pairs])
        return Moments(
            k=k,
            leak=leak,
            forms=total.forms(),
            pairs=both[:, contacts.receiver < contacts.sender],
            others=others,
        )


class _Sum:
    """The forms, added up over blocks of cells.

    The gains are the same for all cells, so the products are summed over cells at each frequency, and over frequencies
    last.
    """

    def __init__(self, parts: Sources, at: Sent) -> None:
        self._parts, self._at = parts, at
        self._cross = np.zeros((len(at.fold), len(at.fold), len(parts.step)), dtype=np.complex128)
        self._noise = np.zeros((3, len(parts.step)), dtype=np.complex128)

    def add(self, got: Received) -> None:
        """Products of the parts of these cells with those of the others."""
        product = np.empty_like(got.spectra)
        for part, passed in enumerate(self._at.passed):
            near = (got.block.against @ reals(passed)).view(np.complex128)
            near *= got.filters
            np.multiply(got.spectra, np.conj(near, out=near), out=product)
            self._cross[:, part] += product.sum(axis=1)
        self._noise += _noise_met(got, got.to_rest, self._at.to_rest)

    def forms(self) -> FloatArray:
        """(2, 3, 3), noise taken out. Of folded parts the row and column of k hold nothing."""
        gain, fold = gains(self._parts, self._at), self._at.fold
        # Without a BLAS, as all long sums here: what it gives depends on the number of its threads.
        total = np.einsum("mf,abf->mab", np.conj(gain), self._cross).real
        total -= fold @ _noise_forms(self._parts, gain, self._noise) @ fold.T
        result, kept = np.zeros((2, 3, 3)), [0, 1, 2] if len(fold) == 3 else [0, 2]
        result[np.ix_([0, 1], kept, kept)] = total
        return result


def _noise_met(got: Received, to_rest: ComplexArray, passed: ComplexArray) -> ComplexArray:
    """The noise of receivers (b, f) and senders (p, f), for the three sums of `Contacts.noise`, (3, f)."""
    power = got.used[:, None] * (got.whitening.real**2 + got.whitening.imag**2)
    around = (got.block.noise @ reals(passed)).view(np.complex128).reshape(3, *power.shape)
    around *= power * to_rest
    return np.asarray(around.sum(axis=1))


def _noise_forms(parts: Sources, gain: ComplexArray, met: ComplexArray) -> FloatArray:
    """What measurement noise adds to the forms, (m, 3, 3), from `_noise_met` and m gains.

    The noise n of the traces is in D n_i, in -dt Q (M n)_i and in dt Q n_i. Of a pair in contact the covariances of
    these parts are, with s the variances: -dt D Q* M_ji s_i and -dt D Q* M_ij s_j between the first two, dt^2 |Q|^2
    (M s M')_ij of the second, and -dt^2 |Q|^2 M_ij s_j and -dt^2 |Q|^2 M_ji s_i between the second and third.
    """
    dt, crossed, square = parts.dt, parts.step * np.conj(parts.mean), np.abs(parts.mean) ** 2
    result = np.zeros((len(gain), 3, 3))
    for form, one in zip(result, gain, strict=True):
        own, other, shared = one * met
        form[0, 1] = -dt * (np.conj(crossed) @ own).real
        form[1, 0] = -dt * (crossed @ other).real
        form[1, 1] = dt**2 * (square @ shared).real
        form[1, 2] = -(dt**2) * (square @ other).real
        form[2, 1] = -(dt**2) * (square @ own).real
    return result


def checks(parts: Sources, contacts: Contacts, k: float, leak: float) -> Checks:
    """See `Checks`, at one k and leak, both in 1/s."""
    with sent(parts, contacts, k, leak) as at:
        gain, sources = gains(parts, at)[:1], at.together
        second, right, slope, variance = np.zeros((4, contacts.cells))
        once = _AtOnce(parts, contacts, at)
        for got in received(parts, contacts, at):
            block, cells = got.block, got.block.cells
            from_far = block.far @ sources
            second[cells] = np.einsum(
                "pf,pf->p", got.instruments(got.together, gain)[:, 0], block.second @ sources[:-1] + from_far
            )
            # Each cell alone: its equation for k with the whitened residual as it is, its neighbours as the instrument.
            instrument = got.filters * (gain[0] / parts.weight)
            instrument *= (block.matrix @ sources[:-1] + from_far).view(np.complex128)
            power = np.einsum("pf,f->p", instrument.real**2 + instrument.imag**2, parts.weight)
            instrument *= parts.weight
            right[cells] = np.einsum("pf,pf->p", reals(got.spectra[0] + leak * got.spectra[2]), reals(instrument))
            slope[cells] = np.einsum("pf,pf->p", reals(got.spectra[1]), reals(instrument))
            variance[cells] = power * (np.einsum("a,apf->pf", at.theta, got.weighted) ** 2).mean(axis=1)
            once.add(got)
        second *= contacts.beyond  # of the others nothing but rounding is left
        return Checks(
            shared_drive=float(second.sum() / max(np.sqrt((second**2).sum()), TINY)),
            at_once=once.deviations(),
            cell_right=right,
            cell_slope=slope,
            cell_variance=variance,
            contacts=(once.of_k[0], once.of_k[1] + once.of_changed),
        )


class _AtOnce:
    """See `Checks.at_once`: light of a cell in its neighbour's trace makes their sources alike without delay.

    The moment with F_i s_j in place of what s_j makes of its trace, with so much of that for k taken out that k plays
    no part, and what measurement noise adds.
    """

    def __init__(self, parts: Sources, contacts: Contacts, at: Sent) -> None:
        self._parts, self._contacts, self._at = parts, contacts, at
        self._gain = gains(parts, at)[0]
        self._plain = np.einsum("a,apf->pf", at.theta, parts.spectra)
        edges = len(contacts.weight)
        self._of_plain, self.of_k, self.of_changed = np.zeros((2, edges)), np.zeros((2, edges)), np.zeros(edges)
        self._noise = np.zeros((3, len(parts.step)), dtype=np.complex128)

    def add(self, got: Received) -> None:
        """Products, and their derivatives in k, of these cells with their neighbours."""
        both = got.together.view(np.complex128), got.spectra[1]
        plain = np.stack([one * np.conj(got.whitening) * self._parts.weight for one in both], axis=1)
        of_k = np.stack([one * np.conj(got.filters * self._gain) for one in both], axis=1)
        edges = got.block.edges
        self._of_plain[:, edges] = got.block.pairs(reals(plain), reals(self._plain))
        self.of_k[:, edges] = got.block.pairs(reals(of_k), self._at.together)
        self.of_changed[edges] = got.block.pairs(reals(of_k[:, :1]), reals(self._at.passed[1]))[0]
        self._noise += _noise_met(got, np.ones_like(got.filters), np.ones_like(self._plain))

    def deviations(self) -> float:
        """How much more the sources of cells in contact have in common than they should."""
        contacts, theta = self._contacts, self._at.theta
        falls = float(contacts.weight @ self.of_k[1])
        if not falls < 0:
            return 0.0
        share = float(contacts.weight @ self._of_plain[1]) / falls
        both = _of_both(contacts, self._of_plain[0] - share * self.of_k[0])
        terms = both[contacts.receiver < contacts.sender]
        size = float(np.linalg.norm(terms))
        noise = _noise_forms(self._parts, self._parts.weight[None].astype(np.complex128), self._noise)[0]
        return (float(terms.sum()) - float(theta @ noise @ theta)) / size if size > 0 else 0.0


def contact_moments(parts: Sources, contacts: Contacts, k: float, leak: float) -> tuple[FloatArray, FloatArray]:
    """The moment for k of every contact in each direction, without its weight, and its derivative in k, (e,) each."""
    with sent(parts, contacts, k, leak) as at:
        value, slope = np.zeros((2, len(contacts.weight)))
        gain, sources, changed = gains(parts, at)[:1], at.together, reals(at.passed[1])
        for got in received(parts, contacts, at):
            block = got.block
            own = got.instruments(got.together, gain)
            both = np.concatenate([own, got.instruments(reals(got.spectra[1]), gain)], axis=1)
            value[block.edges], slope[block.edges] = block.pairs(both, sources)
            slope[block.edges] += block.pairs(own, changed)[0]
        return value, slope


def _of_both(contacts: Contacts, products: FloatArray) -> FloatArray:
    """The weighted products of every contact, both directions together, (e,)."""
    single = contacts.weight * products
    return np.asarray(single + single[contacts.back])
