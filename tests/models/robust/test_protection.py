"""Where brief events do not describe the cells, decorrelation answers for robust, and the fit says so."""

from __future__ import annotations

from typing import Any

import pytest

from calcigraph.models import FitOptions, SyntheticOptions, fit, make_culture
from calcigraph.store.types import Fit


def fitted(seed: int = 0, **axes: Any) -> Fit:
    options = {"cells": 108, "frames": 361, "size_px": 512, "seed": seed} | axes
    return fit(make_culture(SyntheticOptions(**options)).subgraph(), "robust", FitOptions(null=0))


def test_robust_answers_where_cells_rest_between_events() -> None:
    found = fitted()
    assert found.facts["estimator"] == "robust"
    assert found.k == pytest.approx(0.01, rel=0.005)
    low, high = found.facts["k_statistical"]
    assert (high - low) / 2 < 0.01 * 0.01
    assert found.k_low <= low < 0.01 < high <= found.k_high


@pytest.mark.parametrize(
    "axes",
    [
        {"spikes": 0, "activity": "fluctuation", "activity_size": 0.08, "activity_s": 60.0},
        {"spikes": 0, "activity": "oscillation", "activity_size": 0.05},
        {"spikes": 6, "brightness_drift": 0.1},
    ],
    ids=["fluctuation", "oscillation", "drift"],
)
def test_decorrelation_answers_where_they_do_not(axes: dict[str, Any]) -> None:
    found = fitted(**axes)
    assert found.facts["estimator"] == "decorrelation"
    assert found.k_low < 0.01 < found.k_high
    assert abs(found.k / 0.01 - 1) < 0.25
    assert found.facts["robust_k"][2] < 0.01, "robust alone would have excluded the truth"
    assert any("decorrelation" in line for line in found.advice)


@pytest.mark.parametrize("leak", [1 / 300, 1 / 100])
def test_robust_fits_a_leak_that_shows(leak: float) -> None:
    found = fitted(spikes=6, leak=leak)
    assert found.facts["estimator"] == "robust"
    assert found.identified == "identified"
    assert found.k == pytest.approx(0.01, rel=0.02)
    assert found.facts["leak"] == pytest.approx(leak, rel=0.02)


def test_no_leak_is_fitted_where_there_is_none() -> None:
    assert all("leak" not in fitted(seed).facts for seed in range(3))


def test_a_k_that_decorrelation_rejects_is_weak() -> None:
    options = SyntheticOptions(cells=80, frames=361, size_px=440, seed=4, spikes=15, k=0.025, leak=1 / 300)
    found = fit(make_culture(options).subgraph(), "robust", FitOptions(null=0, leak=False))
    other = found.facts["decorrelation_k"]
    assert found.facts["estimator"] == "robust"
    assert found.k < other[0], "a leak that is left out pulls k down"
    assert found.identified == "weak"
    assert found.k_high >= other[2]
    assert any("another k" in why for why in found.why)


def test_unlike_contacts_are_told() -> None:
    found = fitted(seed=3, spikes=15, conductance_spread=0.3)
    assert found.identified == "weak"
    assert not any("let more through than their size says" in why for why in fitted(seed=3, spikes=15).why)
    others = [fit(make_culture(SyntheticOptions(seed=each, spikes=15, weights="border")).subgraph(), "robust",
                  FitOptions(null=0)) for each in (1, 2)]  # fmt: skip
    assert any("let more through than their size says" in why for each in others for why in each.why)


def test_a_k_near_0_has_the_upper_end_of_both() -> None:
    found = fitted(seed=1, k=0.0, spikes=15)
    assert found.k_low == 0
    assert found.k_high >= found.facts.get("decorrelation_k", [0, 0, found.facts["k_statistical"][1]])[2]


def test_a_short_recording_is_left_to_robust() -> None:
    assert fitted(frames=30).facts["estimator"] == "robust"
