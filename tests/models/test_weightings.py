"""`--weights all`: the law that the contacts follow is found, or it is said that it cannot be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcigraph.errors import FitError
from calcigraph.models import WEIGHTS, FitOptions, SyntheticOptions, fit, make_culture, rank_weights, weightings
from calcigraph.models.weightings import ALL_OUT, FOUND, ONLY, UNDECIDED

PLAIN = FitOptions(null=0)


def synthetic(seed, **axes):
    return make_culture(SyntheticOptions(seed=seed, **{"cells": 40, "frames": 160, "size_px": 300, **axes})).subgraph()


@pytest.fixture
def unfitted(monkeypatch):
    """The test of the laws alone: all of them have one fit."""
    one = fit(synthetic(3), "crlsm", PLAIN)
    monkeypatch.setattr(weightings, "fit", lambda *_, **__: one)
    return one


@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_true_law_is_found(weights):
    """Two cultures in three at least, and no other law is."""
    found = []
    for seed in (71, 72, 73):
        culture = synthetic(seed, weights=weights, cells=108, frames=361, size_px=512)
        found.append(rank_weights(culture, "crlsm", PLAIN))
    assert sum(each[0].verdict == FOUND for each in found) >= 2
    for each in found:
        assert each[0].verdict != FOUND or each[0].weights == weights
        assert sorted(one.weights for one in each) == sorted(WEIGHTS)


@pytest.mark.usefixtures("unfitted")
def test_where_cells_are_active_all_the_time_it_cannot_be_told():
    ranked = rank_weights(synthetic(5, spikes=0, activity="fluctuation"), "crlsm", PLAIN)
    assert ranked[0].verdict == UNDECIDED
    assert ranked[0].said == f"cannot tell between {', '.join(ranked[0].left[:-1])} and {ranked[0].left[-1]}"
    assert "distance*border" in ranked[0].left


def test_what_a_ranking_holds():
    culture, calls = synthetic(3), []
    ranked = rank_weights(culture, "crlsm", PLAIN, progress=lambda *call: calls.append(call))
    assert [each.departure for each in ranked] == sorted(each.departure for each in ranked)
    for each in ranked:
        assert each.possible == (each.weights in each.left)
        assert each.towards in set(WEIGHTS) - {each.weights}
        again = fit(culture, "crlsm", replace(PLAIN, weights=each.weights))
        assert (each.fit.run, each.fit.k) == (again.run, again.k)
        assert each.fit.facts["weights_test"] == {
            "departure": each.departure,
            "towards": each.towards,
            "left": list(each.left),
            "verdict": each.verdict,
        }
    stages = {}
    for stage, done, total in calls:
        stages[stage] = (done, total)
    assert all(done == total for done, total in stages.values())


@pytest.mark.parametrize(
    ("most", "left", "verdict"),
    [
        ((1.0, 5.0, 4.0, 3.0), ("distance*border",), FOUND),
        ((2.0, 5.0, 1.0, 3.0), ("border", "distance*border"), UNDECIDED),
        ((3.0, 5.0, 4.0, 3.5), (), ALL_OUT),
    ],
)
def test_a_law_is_out_if_the_contacts_depart_from_it(most, left, verdict, unfitted):
    departures = np.array([[0.0 if row == column else (most[row] if column == (row + 1) % 4 else 0.5)
                            for column in range(4)] for row in range(4)])  # fmt: skip
    ranked = weightings._ranked(WEIGHTS, [unfitted] * 4, departures)
    assert (ranked[0].left, ranked[0].verdict) == (left, verdict)
    assert [each.departure for each in ranked] == sorted(most)
    assert ranked[0].towards == WEIGHTS[(WEIGHTS.index(ranked[0].weights) + 1) % 4]


@pytest.mark.usefixtures("unfitted")
def test_only_the_training_part_decides():
    culture = synthetic(4)
    changed = culture.intensity.copy()
    changed[:, 80:] += np.random.default_rng(0).normal(0, 1, changed[:, 80:].shape)
    options = replace(PLAIN, train_fraction=0.5)
    one, other = (rank_weights(replace(culture, intensity=t), "crlsm", options) for t in (culture.intensity, changed))
    assert [each.departure for each in one] == [each.departure for each in other]


def test_without_shared_borders_there_is_only_uniform():
    culture = synthetic(3)
    ranked = rank_weights(replace(culture, shared_border_px=np.full(len(culture.pairs), np.nan)), "crlsm", PLAIN)
    assert [(each.weights, each.verdict) for each in ranked] == [("uniform", ONLY)]
    assert "uniform weights are the only ones" in ranked[0].said


def test_too_few_contacts_tell_nothing():
    ranked = rank_weights(synthetic(3, cells=12, size_px=170, frames=80), "crlsm", PLAIN)
    assert {each.departure for each in ranked} == {None}
    assert (ranked[0].verdict, ranked[0].left) == (UNDECIDED, WEIGHTS)


def test_too_few_frames_are_refused():
    culture = synthetic(3)
    with pytest.raises(FitError, match="has 50 frames to train on; testing the laws of the weights needs at least 60"):
        rank_weights(replace(culture, intensity=culture.intensity[:, :50]), "crlsm", PLAIN)
    with pytest.raises(FitError, match="--epochs belongs to pinn"):
        rank_weights(culture, "crlsm", FitOptions(epochs=3))
