"""Model decorrelation finds k whatever the colour of cells' own activity, with intervals that hold it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from calcigraph.errors import FitError
from calcigraph.models import FitOptions, SyntheticOptions, fit, make_culture
from calcigraph.store.types import Fit


def fitted(seed: int = 0, **axes: Any) -> Fit:
    options = {"cells": 108, "frames": 361, "size_px": 512, "seed": seed} | axes
    return fit(make_culture(SyntheticOptions(**options)).subgraph(), "decorrelation", FitOptions(null=0))


FLUCTUATING = {"spikes": 0, "activity": "fluctuation", "activity_size": 0.08, "activity_s": 60.0}


def test_rare_spikes() -> None:
    found = [fitted(seed) for seed in range(4)]
    assert all(each.k_low < 0.01 < each.k_high for each in found)
    assert abs(np.median([each.k for each in found]) / 0.01 - 1) < 0.02


def test_activity_that_lasts() -> None:
    found = [fitted(seed, **FLUCTUATING) for seed in range(6)]
    assert abs(np.median([each.k for each in found]) / 0.01 - 1) < 0.1
    assert sum(each.k_low <= 0.01 <= each.k_high for each in found) >= 5
    assert all(each.k_low > 0 for each in found), "coupling shows"


@pytest.mark.parametrize("leak", [1 / 300, 1 / 30])
def test_a_leak_is_found_without_asking(leak: float) -> None:
    found = fitted(leak=leak, spikes=6)
    assert abs(found.k / 0.01 - 1) < 0.05
    assert abs(found.facts["leak"] / leak - 1) < 0.2


def test_no_coupling_is_no_coupling() -> None:
    found = [fitted(seed, k=0.0, **FLUCTUATING) for seed in range(4)]
    assert sum(each.k_low == 0 for each in found) >= 3
    assert all(each.identified == "not identified" for each in found if each.k_low == 0)
    assert np.median([each.k_high for each in found]) < 0.006


def test_a_drive_in_common_is_not_taken_for_coupling() -> None:
    for drive in ("plane", "blobs"):
        found = fitted(k=0.0, drive=drive, leak=0.005)
        assert found.k_low == 0
        assert found.identified == "not identified"
        assert any("two contacts apart" in why for why in found.why)


def test_light_of_neighbours_is_not_taken_for_coupling() -> None:
    found = [fitted(seed, k=0.0, leak=0.01, spikes=15, crosstalk=0.05) for seed in range(4)]
    assert all(each.k_low == 0 and each.identified == "not identified" for each in found)
    assert any("cross-talk" in why for each in found for why in each.why)


def test_what_all_cells_share_does_no_harm() -> None:
    found = fitted(drive="global", drive_size=0.05)
    assert found.k_low < 0.01 < found.k_high


def test_slow_drift_of_brightness_does_no_harm() -> None:
    found = fitted(brightness_drift=0.1, spikes=6)
    assert found.k_low < 0.01 < found.k_high
    assert abs(found.k / 0.01 - 1) < 0.06


def test_too_little_to_tell_is_said() -> None:
    with pytest.raises(FitError, match="at least 40"):
        fitted(frames=30)
    with pytest.raises(FitError, match="at least 6"):
        fitted(cells=12, size_px=170)


def test_the_law_of_the_weights_shows_in_the_contacts() -> None:
    right, wrong = fitted(spikes=6), fitted(spikes=6, weights="uniform")
    assert "uniform" not in right.facts["k_if"]
    assert abs(wrong.facts["k_if"]["uniform"] / 0.01 - 1) < 0.03
    assert wrong.k_low <= 0.01 <= wrong.k_high
    assert any("described better if contacts count all alike (--weights 'uniform')" in why for why in wrong.why)


def test_the_scale_on_which_calcium_evens_out_is_in_the_interval() -> None:
    found = fitted(spikes=6, modulation=2.0)
    assert abs(found.facts["k_if"]["linear scale"] / 0.01 - 1) < 0.03
    assert found.k_low <= 0.01 <= found.k_high


def test_cases() -> None:
    culture = make_culture(SyntheticOptions(cells=60, frames=200, size_px=380, spikes=4)).subgraph()
    shared, own = (fit(culture, "decorrelation", FitOptions(null=0, case=case)) for case in ("per-cell", "per-cell-k"))
    assert np.ptp(shared.cells["k"]) == 0
    assert np.ptp(own.cells["k"]) > 0
    assert abs(np.nanmedian(own.cells["k"]) / 0.01 - 1) < 0.1
