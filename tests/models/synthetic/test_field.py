"""A picture cut out of a larger tissue, and couplings that are not as a fit assumes: the truth that is said is true."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from calcigraph.models import SyntheticOptions, make_culture, movie_frames, operator, simulate, truth
from calcigraph.models.contacts import contact_weights
from calcigraph.models.laws import WEIGHTS

WHOLE = SyntheticOptions(cells=64, size_px=300, frames=60, seed=3, field=1.0)
QUIET = replace(WHOLE, spikes=0, trace_noise=0.0, feed_spread=0.0, k=0.02)
EVERYTHING = {
    "activity": "fluctuation",
    "drive": "blobs",
    "leak": 0.01,
    "waves": 1,
    "k_spread": 0.3,
    "conductance_spread": 0.3,
    "modulation": 1.0,
    "indicator_s": 5.0,
    "brightness_drift": 0.1,
    "crosstalk": 0.05,
    "glow": 0.1,
    "flicker": 0.01,
}


@pytest.mark.parametrize("more", [{}, EVERYTHING])
def test_a_smaller_field_shows_the_same_cells(more):
    whole, part = make_culture(replace(WHOLE, **more)), make_culture(replace(WHOLE, field=0.6, **more))
    rows = np.searchsorted(whole.cells, part.cells)
    assert part.labels.shape == (180, 180)
    np.testing.assert_array_equal(part.labels, whole.labels[60:240, 60:240])
    for name in ("traces", "intensity", "calcium"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows])
    inner = ~part.border
    np.testing.assert_array_equal(part.k[inner], whole.k[rows][inner])
    assert set(part.spikes) == {each for each in whole.spikes if each[0] in part.cells}


def test_border_cells_obey_the_model_too():
    for field in (1.0, 0.6):
        culture = make_culture(replace(QUIET, field=field))
        seen = culture.tissue.rows(culture.geometry)
        whole = make_culture(QUIET).calcium
        op = culture.tissue.operator()
        assert len(op.driven) == 0
        again = simulate(op, QUIET.k, QUIET.feed_mean, whole, QUIET.frame_interval_s)
        np.testing.assert_allclose(again[seen], culture.calcium, atol=1e-12)


def test_inner_cells_obey_the_picture_s_own_operator():
    culture = make_culture(replace(QUIET, field=0.6, frame_interval_s=1.0, conductance_spread=0.5))
    op, inner = culture.operator(), np.flatnonzero(~culture.border)
    np.testing.assert_array_equal(op.inner, inner)
    np.testing.assert_array_equal(op.driven, np.flatnonzero(culture.border))
    again = simulate(op, culture.k[inner], culture.feed[inner], culture.calcium, 1.0)
    np.testing.assert_allclose(again, culture.calcium[inner], atol=1e-6)


def test_the_whole_tissue_decides_the_unit_of_k():
    whole, part = make_culture(WHOLE), make_culture(replace(WHOLE, field=0.6))
    weight, scale = contact_weights(whole.subgraph(), "distance*border")
    np.testing.assert_allclose(whole.weights(), weight)
    assert whole.operator().scale == part.operator().scale == scale
    pair_of = {
        (a, b): value
        for a, b, value in zip(
            whole.contacts.label_a.tolist(), whole.contacts.label_b.tolist(), weight.tolist(), strict=True
        )
    }
    pairs = zip(part.contacts.label_a.tolist(), part.contacts.label_b.tolist(), strict=True)
    np.testing.assert_allclose(part.weights(), [pair_of[pair] for pair in pairs])
    assert truth(part)["weight"] == part.weights().tolist()
    # Contacts at the edge of the picture are cut: the borders that a user measures are shorter than the true ones.
    measured = part.contacts.shared_border_px * part.contacts.centroid_distance_px / scale
    cut = part.border[part.geometry.pairs].all(axis=1)
    assert measured[cut].mean() < 0.8 * part.weights()[cut].mean()
    both_inner = ~part.border[part.geometry.pairs].any(axis=1)
    np.testing.assert_allclose(measured[both_inner], part.weights()[both_inner])


def test_the_movie_shows_the_field():
    options = replace(WHOLE, field=0.5, frames=2, missing=0.1, mask_merges=1)
    culture = make_culture(options)
    assert next(movie_frames(culture)).shape == culture.masks.shape == (150, 150)
    seen, known = culture.subgraph(), json.loads(json.dumps(truth(culture), allow_nan=False))
    assert len(seen.labels) == len(known["masks"])
    assert list(known["border"]) == [str(label) for label in np.unique(culture.labels)]
    assert [known["k_cell"][label] is None for label in known["border"]] == list(known["border"].values())
    assert SyntheticOptions(**known["options"]) == options


def test_without_leak_a_tissue_keeps_its_level():
    culture = make_culture(replace(WHOLE, spikes=20, frames=200))
    assert culture.calcium[:, 0].mean() == pytest.approx(0.5, abs=1e-9)
    assert abs(culture.calcium[:, 100:].mean() - 0.5) < 0.2
    extruding = make_culture(replace(WHOLE, spikes=20, frames=200, spike_shape="extrusion"))
    assert abs(extruding.calcium[:, 100:].mean() - 0.5) < 0.2


@pytest.mark.parametrize("field", [None, 1.0])
@pytest.mark.parametrize("spread", [0.3, 0.6])
def test_conductances_have_their_spread_and_keep_the_unit(spread, field):
    plain, own = (
        make_culture(replace(QUIET, frames=2, field=field, cells=150, size_px=420, conductance_spread=each))
        for each in (0.0, spread)
    )
    factor = own.weights() / plain.weights()
    assert np.log(factor).std() == pytest.approx(spread, rel=0.12)
    # In the unit of k the weights are already: to bring them there again divides by 1.
    again = replace(own.subgraph(), shared_border_px=own.weights())
    assert contact_weights(again, "border")[1] == pytest.approx(1, rel=1e-12)
    assert factor.mean() == pytest.approx(1, rel=0.1)


def test_conductances_act_both_ways():
    culture = make_culture(replace(QUIET, frame_interval_s=1.0, conductance_spread=0.6, field=None))
    op = culture.operator()
    weight = dict(zip(map(tuple, culture.geometry.pairs.tolist()), culture.weights().tolist(), strict=True))
    for row, cell in enumerate(op.inner.tolist()):
        edges = slice(op.start[row], op.start[row + 1])
        for other, value in zip(op.neighbour[edges].tolist(), op.weight[edges].tolist(), strict=True):
            assert value * op.degree[row] == pytest.approx(weight[min(cell, other), max(cell, other)])
    again = simulate(op, QUIET.k, culture.feed[op.inner], culture.calcium, 1.0)
    np.testing.assert_allclose(again, culture.calcium[op.inner], atol=1e-4)


def test_cells_have_a_k_of_their_own_with_the_mean_k():
    culture = make_culture(replace(QUIET, cells=150, size_px=420, frames=2, k_spread=0.4))
    own = culture.k[~culture.border]
    assert own.mean() == pytest.approx(QUIET.k, rel=1e-12)
    assert np.log(own).std() == pytest.approx(0.4, rel=0.15)
    quiet = make_culture(replace(QUIET, k_spread=0.4, field=None, frame_interval_s=1.0))
    op = quiet.operator()
    again = simulate(op, quiet.k[op.inner], quiet.feed[op.inner], quiet.calcium, 1.0)
    np.testing.assert_allclose(again, quiet.calcium[op.inner], atol=1e-4)


@pytest.mark.parametrize("law", WEIGHTS)
def test_the_true_law_of_weights_can_be_another(law):
    culture = make_culture(replace(QUIET, weights=law, field=None, frame_interval_s=1.0))
    op = operator(culture.subgraph(), law)
    again = simulate(op, QUIET.k, culture.feed[op.inner], culture.calcium, 1.0)
    np.testing.assert_allclose(again, culture.calcium[op.inner], atol=1e-4)
    assert truth(culture)["weights"] == law
    assert truth(culture)["weight_scale"] == op.scale
