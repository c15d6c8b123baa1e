"""Does a mixed model tell more of conditions within experiments than the paired test does?

    python benchmarks/mixed.py [--times 600]

Values are drawn as  experiment + effect (condition) + experiment x condition + culture,  each normal: experiments with
deviation 1, cultures with 0.5, and the interaction with 0 or 0.5. Designs have the same two cultures everywhere, or one
to three, or experiments that have one condition only. Beside the paired t test of queries/paired.py stand mixed models
fitted by REML: `intercept` has a random intercept of the experiment (t with N - E - 1 degrees of freedom), `slope` also
a random effect of the condition in each experiment (t with E - 1). False positives are tests of an effect of 0 at 5 %;
power and widths are for an effect of 1.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import stdtr, stdtrit

from calcigraph.queries.paired import paired_effect
from calcigraph.store.types import FloatArray, IntArray

CULTURES = 0.5
EFFECT = 1.0
Found = tuple[float, float, float]
"""Ends of the 95 % interval, and p."""


def design(kind: str, experiments: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Experiment and condition of every culture."""
    rows = []
    for experiment in range(experiments):
        for condition in (0, 1):
            count = 2 if kind == "two cultures each" else int(rng.integers(1, 4))
            alone = kind == "some with one condition" and experiment >= experiments - 2
            rows += [(experiment, condition)] * (0 if alone and condition == experiment % 2 else count)
    both = np.array(rows)
    return both[:, 0], both[:, 1]


def paired(y: FloatArray, experiment: IntArray, condition: IntArray) -> Found | None:
    """As queries/paired.py does it: medians of both conditions in the experiments that have both."""
    sides = [[y[(experiment == e) & (condition == c)] for c in (0, 1)] for e in np.unique(experiment)]
    known = [(float(np.median(a)), float(np.median(b))) for a, b in sides if len(a) and len(b)]
    effect = paired_effect("feed", *np.array(known).T)
    if effect.difference_interval is None or effect.p is None:
        return None
    return *effect.difference_interval, effect.p


def mixed(y: FloatArray, experiment: IntArray, condition: IntArray, slope: bool) -> Found:
    """REML of the ratios of variances; then the effect by generalised least squares."""
    x = np.stack([np.ones(len(y)), condition], axis=1)
    same = experiment[:, None] == experiment
    parts = [same.astype(float)] + [(same & (condition[:, None] == condition)).astype(float)] * slope

    def solved(logs: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        v = np.eye(len(y)) + sum(np.exp(log) * part for log, part in zip(logs, parts, strict=True))
        inner = np.linalg.solve(v, np.column_stack([x, y]))
        information = x.T @ inner[:, :2]
        beta = np.linalg.solve(information, x.T @ inner[:, 2])
        residual = y - x @ beta
        variance = float(residual @ np.linalg.solve(v, residual)) / (len(y) - 2)
        loss = (len(y) - 2) * math.log(variance) + np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1]
        return float(loss), beta, variance * np.linalg.inv(information)

    best = min(
        (minimize(lambda logs: solved(logs)[0], start, method="Nelder-Mead", bounds=[(-9, 6)] * len(parts))
         for start in ([0.0] * len(parts), [1.0] + [-6.0] * slope)), key=lambda each: each.fun,
    )  # fmt: skip
    _, beta, covariance = solved(best.x)
    groups = len(np.unique(experiment))
    df = groups - 1 if slope else len(y) - groups - 1
    error = math.sqrt(covariance[1, 1])
    half = float(stdtrit(df, 0.975)) * error
    return beta[1] - half, beta[1] + half, 2 * float(stdtr(df, -abs(beta[1]) / error))


def line(kind: str, experiments: int, interaction: float, times: int) -> dict[str, Any]:
    """What the three analyses find, over random cultures."""
    rng = np.random.default_rng([experiments, int(10 * interaction), len(kind)])
    found: dict[str, list[tuple[Found, Found]]] = {"paired": [], "intercept": [], "slope": []}
    for _ in range(times):
        experiment, condition = design(kind, experiments, rng)
        y = rng.standard_normal(experiments)[experiment] + CULTURES * rng.standard_normal(len(experiment))
        y += interaction * rng.standard_normal((experiments, 2))[experiment, condition]
        for name, model in (
            ("paired", paired), ("intercept", lambda *of: mixed(*of, slope=False)),
            ("slope", lambda *of: mixed(*of, slope=True)),
        ):  # fmt: skip
            told = model(y, experiment, condition)
            if told is not None:
                # An effect moves the estimate and nothing else: REML and t tests do not change.
                other = model(y + EFFECT * condition, experiment, condition)
                found[name].append((told, other if other is not None else told))
    row: dict[str, Any] = {"design": kind, "experiments": experiments, "interaction": interaction}
    for name, each in found.items():
        none, some = (np.array([pair[side] for pair in each]) for side in (0, 1))
        holds = (some[:, 0] < EFFECT) & (some[:, 1] > EFFECT)
        row[name] = (
            f"false {np.mean(none[:, 2] < 0.05):.3f} holds {np.mean(holds):.3f} "
            f"width {np.median(some[:, 1] - some[:, 0]):.2f} power {np.mean(some[:, 2] < 0.05):.2f}"
        )
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=600)
    times = parser.parse_args().times
    for kind in ("two cultures each", "one to three cultures", "some with one condition"):
        for experiments in (3, 5, 8) if kind != "some with one condition" else (5, 8):
            for interaction in (0.0, 0.5):
                print(line(kind, experiments, interaction, times), flush=True)


if __name__ == "__main__":
    main()
