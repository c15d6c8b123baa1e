"""Light of the neighbours in the traces, told from coupling by what happens within a frame."""

from __future__ import annotations

import numpy as np
import pytest

from calcigraph.models import FitOptions, SyntheticOptions, fit, make_culture
from calcigraph.models.robust.same_frame import share_of
from calcigraph.store.types import Fit


def fitted(seed: int, **options: float) -> Fit:
    culture = make_culture(SyntheticOptions(k=0.01, spikes=15, seed=seed, **options))  # type: ignore[arg-type]
    return fit(culture.subgraph(), "robust", FitOptions(null=0))


@pytest.mark.parametrize("seed", [11, 12])
def test_light_of_the_neighbours_is_seen_and_makes_k_weak(seed: int) -> None:
    found = fitted(seed, crosstalk=0.05)
    assert 0.025 < found.facts["same_frame"] < 0.06
    assert found.identified == "weak"
    assert any("within a frame" in reason for reason in found.why)


@pytest.mark.parametrize("options", [{}, {"leak": 0.01}, {"spike_s": 10.0}, {"trace_noise": 0.008}])
def test_coupling_alone_is_not_taken_for_light(options: dict[str, float]) -> None:
    found = fitted(13, **options)
    assert abs(found.facts["same_frame"]) < 0.02
    assert not any("within a frame" in reason for reason in found.why)


def test_the_share_is_that_of_the_increments_and_its_error_that_between_cells() -> None:
    rng = np.random.default_rng(4)
    found = []
    for _ in range(200):
        own, around = rng.standard_normal((2, 40, 200))
        found.append(share_of(own + 0.05 * around, around, np.ones(own.shape, np.bool_)))
    shares = np.array([each.share for each in found])
    assert shares.mean() == pytest.approx(0.05, abs=0.003)
    assert np.mean([each.error for each in found]) == pytest.approx(shares.std(), rel=0.15)


def test_few_cells_and_still_neighbours_tell_nothing() -> None:
    own, around = np.random.default_rng(0).standard_normal((2, 5, 100))
    every = np.ones((20, 100), np.bool_)
    assert not share_of(own + around, around, every[:5]).shows
    assert not share_of(np.ones((20, 100)), np.zeros((20, 100)), every).shows
