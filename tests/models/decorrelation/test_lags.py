"""Neighbours whose own sources follow on each other are told from neighbours that are coupled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from calcigraph.models import FitOptions, SyntheticOptions, fit, make_culture
from calcigraph.models.decorrelation.lags import FOLLOWS, _earlier, _hotelling
from calcigraph.store.types import Fit

FLUCTUATING = {"spikes": 0, "activity": "fluctuation", "activity_size": 0.08, "activity_s": 60.0}


def fitted(model: str, **axes: Any) -> Fit:
    return fit(make_culture(SyntheticOptions(**axes)).subgraph(), model, FitOptions(null=0))


@pytest.mark.parametrize(("speed", "after"), [(2.0, 20.0), (0.7, 70.0)])
def test_cells_that_set_off_the_next_are_told(speed: float, after: float) -> None:
    for seed in (11, 12):
        found = fitted("decorrelation", seed=seed, contact_waves=6, contact_wave_speed=speed, leak=0.01)
        assert found.facts["following_p"] < FOLLOWS
        assert found.facts["following_s"] == pytest.approx(after, rel=0.5)
        assert found.k_low == 0
        assert found.identified == "not identified"
        assert any("follows on each other" in why for why in found.why)


@pytest.mark.parametrize("axes", [{}, {"spikes": 15, "leak": 0.01}, FLUCTUATING, {"k": 0.0}])
def test_cells_that_do_not_are_not(axes: dict[str, Any]) -> None:
    found = [fitted("decorrelation", seed=seed, **axes).facts["following_p"] for seed in range(3)]
    assert min(found) > FOLLOWS
    assert max(found) > 0.1


def test_few_contacts_are_not_asked() -> None:
    assert fitted("decorrelation", cells=16, size_px=200, seed=1).facts["following_p"] == pytest.approx(1, abs=1)


def test_robust_answers_where_cells_set_off_the_next_and_says_so() -> None:
    for seed in (21, 22, 23):
        found = fitted("robust", seed=seed, contact_waves=4, leak=0.01)
        assert found.facts["estimator"] == "robust"
        assert found.k == pytest.approx(0.01, rel=0.02), "what decorrelation finds is too large by a third and more"
        assert found.k_low < 0.01 < found.k_high
        assert found.identified in ("weak", "not identified")
        assert any("sets off the next" in why for why in found.why)


def test_waves_without_coupling_are_no_coupling() -> None:
    for seed in (31, 32, 33):
        found = fitted("robust", seed=seed, contact_waves=4, leak=0.01, k=0.0)
        assert found.k_low == 0
        assert found.identified == "not identified"


def test_where_both_estimators_are_sure_and_differ_the_interval_holds_both() -> None:
    found = fitted("robust", seed=1949, contact_waves=4, leak=0.01, spikes=15)
    assert found.facts["estimator"] == "decorrelation"
    low, middle, high = found.facts["robust_k"]
    assert found.k_low <= low
    assert found.k_high >= high
    assert found.identified != "identified"
    assert any(f"k is another, {middle:.3g} 1/s" in why for why in found.why)


def test_sums_over_ranges_of_lags() -> None:
    values = np.arange(1.0, 7.0)[None]
    found = _earlier(values, [(1, 2), (2, 4)])
    assert found[0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert found[0, 1].tolist() == [0, 0, 1, 3, 5, 7]


def test_p_is_uniform_where_the_mean_is_0() -> None:
    rng = np.random.default_rng(5)
    mixed = rng.standard_normal((5, 5))
    found = [_hotelling(mixed @ rng.standard_normal((5, 40))) for _ in range(300)]
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert _hotelling(mixed @ (rng.standard_normal((5, 40)) + 2)) < 1e-6
    assert _hotelling(np.zeros((5, 40))) == 1
