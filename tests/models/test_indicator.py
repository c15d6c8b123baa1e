"""The indicator: the scale on which cells even out is as stated, refused where it cannot be, and told where wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcigraph.errors import FitError
from calcigraph.models import FitOptions, SyntheticOptions, fit, make_culture, predict
from calcigraph.models.indicator import Indicator, Scale, on_scale

PLAIN = FitOptions(null=0)


def synthetic(seed=0, **axes):
    options = {"cells": 108, "frames": 361, "size_px": 512, "spikes": 15, "seed": seed} | axes
    return make_culture(SyntheticOptions(**options)).subgraph()


def fitted(culture, indicator="log"):
    return fit(culture, "robust", replace(PLAIN, indicator=indicator))


@pytest.mark.parametrize(
    "text",
    ["logs", "log,shared", "linear,2", "hill", "hill:", "hill:a", "hill:1,2,3", "hill:0", "hill:1,-1", "hill:inf"],
)
def test_what_names_no_indicator_is_refused(text):
    with pytest.raises(FitError, match="indicator is"):
        FitOptions(indicator=text)


@given(kd=st.floats(0.1, 100), n=st.floats(0.5, 4), calcium=st.floats(0.05, 20))
@settings(deadline=None)
def test_calcium_and_brightness_are_inverse(kd, n, calcium):
    hill = Indicator("hill", kd, n)
    assert hill.brightness(np.array([1.0])) == pytest.approx(1.0)
    shown = hill.brightness(np.array([calcium]))
    assert (shown < hill.most).all()
    if shown < 0.999 * hill.most:
        assert hill.calcium(shown) == pytest.approx(calcium, rel=1e-6)


@pytest.mark.parametrize("gain", [1.0, 0.3])
@pytest.mark.parametrize("text", ["linear,own", "linear,shared", "hill:3,own", "hill:2,1.5"])
def test_a_scale_is_that_of_the_formula(text, gain):
    culture = synthetic(cells=16, frames=60, size_px=128, spikes=3)
    log = culture.intensity
    culture = replace(culture, intensity=gain * log + 0.0, intensity_gain=gain)
    scale = Scale.of(culture, Indicator.of(text))
    rest = np.quantile(log, 0.05, axis=1, keepdims=True)
    if not text.endswith("own"):  # these cells are equally bright
        rest = np.median(rest)
    ratio = np.exp(log - rest)
    kd, n = {"hill:3,own": (3.0, 1.0), "hill:2,1.5": (2.0, 1.5)}.get(text, (None, None))
    expected = ratio if kd is None else np.log((kd**n * ratio / (1 + kd**n - ratio)) ** (1 / n))
    assert on_scale(culture, scale).intensity / gain == pytest.approx(expected)
    assert scale.seen(scale.applied(culture.intensity, culture.labels), np.arange(16)) == pytest.approx(gain * log)


def test_the_brightness_of_a_cell_does_not_matter():
    """Where cells are unlike, F0 is each cell's own: one that holds twice the dye has the same calcium."""
    culture = synthetic(cells=30, frames=100, size_px=256, spikes=3)
    dye = np.random.default_rng(0).normal(0, 0.5, (len(culture.labels), 1))
    one, other = (
        Scale.of(each, Indicator.of(text))
        for each, text in ((culture, "hill:3,own"), (replace(culture, intensity=culture.intensity + dye), "hill:3"))
    )
    assert not other.shared
    assert one.applied(culture.intensity, culture.labels) == pytest.approx(
        other.applied(culture.intensity + dye, culture.labels)
    )
    assert Scale.of(culture, Indicator.of("hill:3")).shared


def test_what_the_indicator_cannot_show_is_refused():
    with pytest.raises(FitError, match=r"largest F/F0 is 2, and \d+ of 108 cells .* give a larger KD"):
        fitted(synthetic(), "hill:1")
    rather_counts = synthetic(cells=30, frames=80, size_px=256)
    with pytest.raises(FitError, match="needs traces that are logarithms of brightness"):
        fitted(replace(rather_counts, intensity=1000 * rather_counts.intensity), "linear")


@pytest.mark.parametrize(("axes", "right"), [({"hill_kd": 1.0}, "hill:1"), ({"modulation": 2.0}, "linear")])
def test_the_right_indicator_finds_k_and_the_wrong_one_is_doubted(axes, right):
    culture = synthetic(81, **axes)
    usual, better = fitted(culture), fitted(culture, right)
    assert usual.identified == "weak"
    assert any("brighter neighbours pull a cell more" in why for why in usual.why)
    assert usual.k_low < 0.01 < usual.k_high
    assert better.k_low < 0.01 < better.k_high
    assert abs(better.k / 0.01 - 1) < 0.03
    assert not any("neighbours pull a cell more" in why for why in better.why)
    assert (usual.settings["indicator"], better.settings["indicator"]) == ("log", right)
    low, high = usual.facts["k_by_indicator"]
    told = [k for name, k in usual.facts["k_if"].items() if name.endswith(" scale")]
    assert (low, high) == (min(usual.k, *told), max(usual.k, *told))


@pytest.mark.parametrize("axes", [{"spikes": 3}, {"spike_shape": "gaussian"}, {"k": 0.004}])
def test_cultures_as_assumed_are_not_doubted(axes):
    found = fitted(synthetic(7, **axes))
    assert found.identified == "identified"
    value, error = found.facts["curvature"]
    assert abs(value) < 5 * error


def test_levels_of_each_cell_are_doubted():
    culture = synthetic(7, cells=60, frames=200, size_px=380, spikes=4)
    shared, own = fitted(culture, "linear"), fitted(culture, "linear,own")
    assert (shared.facts["f0"], own.facts["f0"]) == ("shared", "own")
    assert any("F0 is each cell's own" in why for why in own.why)
    assert own.identified != "identified"
    assert own.k_high - own.k > 0.2 * own.k
    assert {"linear,shared scale", "log scale"} <= set(own.facts["k_if"])
    assert {"linear,own scale", "log scale"} <= set(shared.facts["k_if"])


@pytest.mark.parametrize("model", ["crlsm", "decorrelation"])
def test_every_model_is_fitted_on_the_scale(model):
    """As if the traces had been on that scale."""
    culture = synthetic(7, cells=40, frames=160, size_px=300, spikes=4)
    scale = Scale.of(culture, Indicator.of("hill:3"))
    options = replace(PLAIN, indicator="hill:3")
    one, other = fit(culture, model, options), fit(on_scale(culture, scale), model, PLAIN)
    assert one.k == pytest.approx(other.k)
    assert one.mse_train == pytest.approx(other.mse_train)


def test_a_run_is_drawn_on_the_scale_of_the_traces():
    """The free run on another scale comes back as intensity: near the data, and exact where nothing is fitted."""
    culture = synthetic(cells=40, frames=120, size_px=300, spikes=3)
    found = fitted(culture, "hill:3")
    run = predict(culture, found.settings, found.cells["k"], found.cells["feed"])
    inner = np.searchsorted(culture.labels, found.labels)
    assert run[:, 0] == pytest.approx(culture.intensity[inner, 0])
    scale = Scale.of(culture, Indicator.of("hill:3"))
    traces = scale.applied(culture.intensity, culture.labels)[inner]
    there = scale.indicator.calcium(np.exp(run - scale.rest[inner]))
    assert ((np.log(there) - traces) ** 2).mean(axis=1) == pytest.approx(found.cells["mse_train"])
