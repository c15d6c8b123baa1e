"""The parametric bootstrap gives the scatter and the bias of estimates."""

from __future__ import annotations

import numpy as np
import pytest

from calcigraph.models import SyntheticOptions, make_culture
from calcigraph.models.robust.batches import Settings, make_batches
from calcigraph.models.robust.bootstrap import FEWEST, MOST, parametric_bootstrap
from calcigraph.models.robust.rounds import estimate
from calcigraph.models.scale import noise_level


def here(function, calls, *shared):
    return [function(call, *shared) for call in calls]


def fitted(seed, **options):
    made = make_culture(SyntheticOptions(cells=64, frames=200, size_px=256, seed=seed, **options))
    op, settings = made.operator(), Settings()
    profile = noise_level(made.traces)
    found = estimate(make_batches(op, made.traces, 10.0, settings, profile), settings, here)

    def again(number):
        return parametric_bootstrap(found, op, made.traces, 10.0, profile, distribute=here, seed=number)

    return made, found, again


@pytest.fixture(scope="module")
def quiet():
    return fitted(81)


def test_estimates_scatter_as_their_standard_error_says(quiet):
    _, found, again = quiet
    result = again(0)
    assert FEWEST <= result.count <= MOST
    assert 0.3 < result.scatter[0] / found.pooled.error[0, 0] < 2
    assert abs(result.bias[0]) < 0.01 * found.pooled.theta[0, 0]
    for ratio in (result.k_cell, result.feed, result.feed_cell):
        assert 0.4 < ratio < 2.5


def test_the_same_seed_gives_the_same_cultures(quiet):
    _, _, again = quiet
    first, second, third = again(0), again(0), again(1)
    assert np.array_equal(first.scatter, second.scatter)
    assert not np.array_equal(first.scatter, third.scatter)


def test_more_noise_scatters_estimates_more(quiet):
    _, _, again = quiet
    noisy = fitted(81, trace_noise=0.01)[2]
    assert noisy(0).scatter[0] > 2 * again(0).scatter[0]
