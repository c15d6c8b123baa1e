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
        {"spikes": 6, "leak": 0.01},
        {"spikes": 6, "brightness_drift": 0.1},
    ],
    ids=["fluctuation", "oscillation", "leak", "drift"],
)
def test_decorrelation_answers_where_they_do_not(axes: dict[str, Any]) -> None:
    found = fitted(**axes)
    assert found.facts["estimator"] == "decorrelation"
    assert found.k_low < 0.01 < found.k_high
    assert abs(found.k / 0.01 - 1) < 0.25
    assert found.facts["robust_k"][2] < 0.01, "robust alone would have excluded the truth"
    assert any("decorrelation" in line for line in found.advice)


def test_a_short_recording_is_left_to_robust() -> None:
    assert fitted(frames=30).facts["estimator"] == "robust"
