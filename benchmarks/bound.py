"""How exactly can anyone know k where cells are active all the time? The Cramér-Rao bound, and model decorrelation.

    python benchmarks/bound.py

The cells of one culture (69 inner cells, 361 frames, one per 10 s) fluctuate independently (Ornstein-Uhlenbeck) and
their traces have white noise. Then traces are Gaussian, and for each frequency their covariance is

    C = A^-1 S A^-H + sigma^2,        A = i w + r - k M

with S the spectra of the sources, M the consensus matrix and r a leak of 0. The first two columns are the bound for
whoever knows that the activity is of this kind: the information on k that all frequencies give (Whittle), less what the
unknown size and time constant of every cell's activity take, and the leak where one is fitted. No unbiased estimator
has a narrower 95 % interval. Without a leak a cell's own spectrum tells k too, but only to one who knows its shape.

The last two columns use nothing but that cells are independent, without a leak: moments of all pairs, each weighted by
how k leads from one to the other; and those of `decorrelation`, neighbours alone, each by its own relaxation.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from calcigraph.models import SyntheticOptions, make_culture, operator
from calcigraph.models.consensus import matrix
from calcigraph.models.synthetic.activity import influx_deviation
from calcigraph.store.types import FloatArray

FRAMES, INTERVAL_S, FIRST = 361, 10.0, 3
"""FIRST: frequencies below it go with the slow drift that is taken out of every trace."""
COUPLINGS, NOISES, TIMES = (0.003, 0.01, 0.03), (0.002, 0.01), (20.0, 60.0, 200.0)


def bound(consensus: FloatArray, k: float, noise: float, time_s: float, leak: bool) -> float:
    """Half-width over k of the narrowest 95 % interval; every cell's size and time constant are unknown."""
    cells = len(consensus)
    one, parameters = np.eye(cells), 2 + 2 * cells
    information = np.zeros((parameters, parameters))
    for speed in speeds():
        to_trace = np.linalg.inv(1j * speed * one - k * consensus)
        power = source_power(speed, time_s)
        clean = power * to_trace @ to_trace.conj().T
        weight = np.linalg.inv(clean + noise**2 * one)
        of_k, of_leak = to_trace @ consensus @ clean, -to_trace @ clean
        ways = [weight @ (way + way.conj().T) for way in (of_k, of_leak)]
        # A cell's spectrum adds its power times the outer product of one column of A^-1.
        shapes = np.array([power, power * (2 / (1 + (speed * time_s) ** 2) - 1)])
        cross = np.abs(to_trace.conj().T @ weight @ to_trace) ** 2
        with_ways = np.array([np.einsum("ia,ij,ja->a", to_trace.conj(), way @ weight, to_trace).real for way in ways])
        information[:2, :2] += np.array([[np.trace(a @ b).real for b in ways] for a in ways])
        information[:2, 2:] += np.einsum("wa,s->wsa", with_ways, shapes).reshape(2, -1)
        information[2:, 2:] += np.kron(np.outer(shapes, shapes), cross)
    information[2:, :2] = information[:2, 2:].T
    kept = [at for at in range(parameters) if leak or at != 1]
    return float(1.96 * np.sqrt(np.linalg.inv(information[np.ix_(kept, kept)])[0, 0]) / k)


def of_moments(consensus: FloatArray, k: float, noise: float, time_s: float, all_pairs: bool) -> float:
    """Half-width over k of the 95 % interval of moments of pairs, filters at the truth."""
    one, own = np.eye(len(consensus)), np.diag(consensus)
    slope = variance = 0.0
    for speed in speeds():
        away = 1j * speed * one - k * consensus
        power = source_power(speed, time_s)
        covariance = power * one + noise**2 * away @ away.conj().T
        through = consensus @ np.linalg.inv(away)
        size = np.diag(covariance).real
        if all_pairs:
            instrument = (through - np.diag(np.diag(through))) * (power / size)
        else:
            relaxed = 1 / (1j * speed - k * own)
            instrument = (1j * speed * relaxed)[:, None] * (consensus - np.diag(own)) * relaxed
        products = instrument / size[:, None]
        products = products + products.conj().T
        slope += np.trace(products @ (through + through.conj().T)).real * power
        variance += np.trace(products @ covariance @ products @ covariance).real
    return float(1.96 * np.sqrt(variance) / abs(slope) / k)


def speeds() -> FloatArray:
    """Angular frequencies of the recording that tell something, 1/s."""
    return 2 * np.pi * np.arange(FIRST, FRAMES // 2) / (FRAMES * INTERVAL_S)


def source_power(speed: float, time_s: float) -> float:
    """Spectrum of the activity of `SyntheticOptions` at its usual size, as a variance a frame."""
    size = SyntheticOptions().activity_size * influx_deviation(time_s)
    return float(2 * size**2 * time_s / (1 + (speed * time_s) ** 2) / INTERVAL_S)


def main() -> None:
    culture = make_culture(SyntheticOptions(frames=12)).subgraph()
    op = operator(culture, "distance*border")
    consensus = np.asarray(matrix(op))[:, op.inner]
    print(f"{len(consensus)} inner cells; half-width of the 95 % interval of k, as a share of k")
    print("time constant  noise      k  kind known, leak    kind known         all pairs     decorrelation")
    for time_s, noise, k in product(TIMES, NOISES, COUPLINGS):
        shares = [bound(consensus, k, noise, time_s, leak) for leak in (True, False)]
        shares += [of_moments(consensus, k, noise, time_s, all_pairs) for all_pairs in (True, False)]
        columns = "".join(f"{100 * share:16.1f} %" for share in shares)
        print(f"{time_s:11.0f} s  {noise:5}  {k:5}{columns}", flush=True)


if __name__ == "__main__":
    main()
