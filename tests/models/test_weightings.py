"""Ranking the weightings of contacts: the true one comes first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcigraph.errors import FitError
from calcigraph.models import WEIGHTS, FitOptions, SyntheticOptions, fit, make_culture, operator, rank_weights, simulate

PLAIN = FitOptions(null=0)


def synthetic(seed, k, **size):
    return make_culture(
        SyntheticOptions(k=k, seed=seed, **{"cells": 40, "frames": 160, "size_px": 300, **size})
    ).subgraph()


@pytest.mark.parametrize("seed", [71, 72])
def test_the_true_weighting_comes_first(seed):
    """distance*border is what cultures are made with."""
    culture = synthetic(seed, 0.02, cells=80, frames=240, size_px=420)
    assert rank_weights(culture, "robust", PLAIN)[0].weights == "distance*border"


@pytest.mark.parametrize("weights", ["uniform", "border/distance"])
def test_another_truth_comes_first_as_well(weights):
    culture = synthetic(5, 0.02)
    op, rng = operator(culture, weights), np.random.default_rng(5)
    source = 1e-3 * (rng.random((len(op.inner), 159)) < 0.02)
    traces = culture.intensity.copy()
    traces[op.inner] = simulate(op, 0.02, 2e-5, traces, culture.frame_interval_s, source=source)
    made = replace(culture, intensity=traces + rng.normal(0, 1e-3, traces.shape))
    ranked = rank_weights(made, "robust", PLAIN)
    assert ranked[0].weights == weights
    assert sorted(each.weights for each in ranked) == sorted(WEIGHTS)


def test_what_a_ranking_holds():
    culture, calls = synthetic(3, 0.01), []
    ranked = rank_weights(culture, "crlsm", PLAIN, progress=lambda *call: calls.append(call))
    assert [each.error for each in ranked] == sorted(each.error for each in ranked)
    assert (ranked[0].behind, ranked[0].behind_spread) == (0, 0)
    for each in ranked:
        assert each.error == pytest.approx(np.mean(each.folds))
        assert each.spread == pytest.approx(np.std(each.folds, ddof=1))
        assert each.behind == pytest.approx(each.error - ranked[0].error)
        assert 0 < each.error < 1, "the coupling helps"
        assert len(each.folds) == 4
        again = fit(culture, "crlsm", replace(PLAIN, weights=each.weights))
        assert (each.fit.run, each.fit.k) == (again.run, again.k)
    stages = {}
    for stage, done, total in calls:
        stages[stage] = (done, total)
    assert all(done == total for done, total in stages.values())


def test_only_the_training_part_decides():
    culture = synthetic(4, 0.01)
    changed = culture.intensity.copy()
    changed[:, 80:] += np.random.default_rng(0).normal(0, 1, changed[:, 80:].shape)
    options = replace(PLAIN, train_fraction=0.5)
    one, other = (rank_weights(replace(culture, intensity=t), "crlsm", options) for t in (culture.intensity, changed))
    assert [each.folds for each in one] == [each.folds for each in other]


def test_sources_do_not_decide():
    """One held-out frame in two hundred of every cell is thrown far off: the errors hardly change."""
    # A faster culture would follow a source in its neighbours further. (0.02 with the mean over all contacts as unit.)
    culture, rng = synthetic(6, 0.0182), np.random.default_rng(6)
    thrown = (rng.random(culture.intensity.shape) < 0.005) & (np.arange(160) > 130)
    assert thrown.sum() > 3
    usual, other = (
        rank_weights(replace(culture, intensity=culture.intensity + far), "crlsm", PLAIN) for far in (0.0, 5.0 * thrown)
    )
    for each in other:
        assert each.folds[3] == pytest.approx(errors_of(usual, each.weights)[3], abs=0.1)


def errors_of(ranked, weights):
    return next(each.folds for each in ranked if each.weights == weights)


def test_without_shared_borders_there_is_only_uniform():
    culture = synthetic(3, 0.01)
    ranked = rank_weights(replace(culture, shared_border_px=np.full(len(culture.pairs), np.nan)), "crlsm", PLAIN)
    assert [each.weights for each in ranked] == ["uniform"]


def test_too_few_frames_are_refused():
    culture = synthetic(3, 0.01)
    with pytest.raises(FitError, match="has 50 frames to train on; ranking weightings needs at least 60"):
        rank_weights(replace(culture, intensity=culture.intensity[:, :50]), "crlsm", PLAIN)
    with pytest.raises(FitError, match="--epochs belongs to pinn"):
        rank_weights(culture, "crlsm", FitOptions(epochs=3))
