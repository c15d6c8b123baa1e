"""Traces whose steps are mostly exactly 0: rounded ones keep their k, repeated frames take the claim."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from calcigraph.models import FitOptions, SyntheticOptions, fit, make_culture
from calcigraph.models.scale import noise_level, rounding_level

QUICK = FitOptions(null=0)


@cache
def culture():
    """49 cells, 25 of them driven; 200 frames; noise of 0.002."""
    return make_culture(SyntheticOptions(cells=49, frames=200, size_px=256, seed=41)).subgraph()


@cache
def plain():
    return fit(culture(), options=QUICK)


@pytest.mark.parametrize("quantum", [0.001, 0.002, 0.005, 0.01, 0.02])
def test_rounded_traces_keep_their_k_or_claim_nothing(quantum):
    rounded = replace(culture(), intensity=np.rint(culture().intensity / quantum) * quantum)
    found = fit(rounded, options=QUICK)
    assert found.k_low <= 1.05 * 0.01
    assert found.k_high >= 0.95 * 0.01
    assert found.k == pytest.approx(plain().k, rel=0.1) or found.identified == "not identified"


def test_counts_of_a_camera_keep_their_k():
    counts = np.rint(60 * np.exp(culture().intensity - culture().intensity.mean()))
    found = fit(replace(culture(), intensity=counts), options=QUICK)
    exact = fit(
        replace(culture(), intensity=60 * np.exp(culture().intensity - culture().intensity.mean())), options=QUICK
    )
    assert found.k == pytest.approx(exact.k, rel=0.1) or found.identified == "not identified"


@pytest.mark.parametrize("times", [2, 3, 6])
def test_frames_that_are_held_make_no_claim(times):
    held = np.repeat(culture().intensity[:, : 200 // times], times, axis=1)
    found = fit(replace(culture(), intensity=held, frame_interval_s=culture().frame_interval_s / times), options=QUICK)
    count = (times - 1) * (200 // times)
    assert found.identified == "not identified"
    assert set(found.words["identified"]) == {"not identified"}
    assert f"frames are repeated: {count} of {held.shape[1]} are copies of the one before" in found.why


@pytest.mark.parametrize("model", ["crlsm", "robust"])
def test_some_copies_make_k_weak(model):
    kept = np.sort(np.append(np.arange(200), [20, 70, 120, 170]))
    found = fit(replace(culture(), intensity=culture().intensity[:, kept]), model, QUICK)
    assert found.identified in ("weak", "not identified")
    assert "frames are repeated: 4 of 204 are copies of the one before" in found.why


def test_mostly_still_traces_are_told():
    coarse = replace(culture(), intensity=np.rint(culture().intensity / 0.05) * 0.05)
    found = fit(coarse, options=QUICK)
    assert found.identified != "identified"
    assert any(reason.startswith("the traces are rounded: ") for reason in found.why)


def test_traces_that_were_not_rounded_have_no_floor():
    traces = culture().intensity
    assert (rounding_level(np.diff(traces, axis=1)) == 0).all()
    smooth = np.sin(np.linspace(0, 9, 200))[None]
    assert rounding_level(np.diff(smooth, axis=1)).tolist() == [0.0]


def test_the_noise_of_rounded_traces_is_that_of_rounding():
    smooth = np.linspace(0, 20, 400) + 3 * np.sin(np.linspace(0, 9, 400))
    for quantum in (1.0, 0.5):
        rounded = np.rint(smooth / quantum)[None] * quantum
        assert noise_level(rounded)[0] == pytest.approx(quantum / np.sqrt(12), rel=0.01)
