"""The weights of contacts and their unit, which must not depend on how much of the tissue the camera sees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcigraph.errors import FitError
from calcigraph.models import WEIGHTS, FitOptions, SyntheticOptions, fit, make_culture, operator, predict, simulate
from calcigraph.models.contacts import contact_weights, weight_unit
from calcigraph.models.synthetic.culture import as_subgraph
from calcigraph.models.synthetic.ground_truth import truth
from calcigraph.models.synthetic.label_geometry import measure_labels
from calcigraph.models.synthetic.tissue import confluent_labels
from calcigraph.store.units import ALL_CONTACTS, EQUAL_CONTACTS, INNER_CONTACTS, unit_of_k
from calcigraph.store.weights import ENOUGH_CONTACTS, unit_contacts


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weights_between_inner_cells_have_mean_one_and_record_their_scale(grid, weights):
    culture = grid()
    values, scale = contact_weights(culture, weights)
    # The grid has 3 x 4 inner cells, so 3 x 3 + 2 x 4 contacts between them.
    inner = [pair for pair, (a, b) in enumerate(culture.pairs) if not (culture.border[a] or culture.border[b])]
    assert len(inner) == 17
    assert values[inner].mean() == pytest.approx(1)
    if weights == "distance*border":
        assert scale == pytest.approx(np.mean((culture.shared_border_px * culture.centroid_distance_px)[inner]))
    assert weight_unit(culture, weights) == (EQUAL_CONTACTS if weights == "uniform" else INNER_CONTACTS)


def measured(labels):
    geometry = measure_labels(labels)
    traces = np.zeros((len(geometry.cells), 2))
    return as_subgraph(SyntheticOptions(), geometry, traces, "tissue")


def test_a_smaller_field_of_the_same_tissue_has_the_same_unit():
    """Two thirds of the field: the unit stays within 2 % on average, where the mean over all contacts falls by 17 %."""
    side, kept = 512, round(512 * np.sqrt(2 / 3))
    first = (side - kept) // 2
    changes, of_all = [], []
    for seed in range(12):
        labels = confluent_labels((side, side), 108, np.random.default_rng(seed))
        whole, part = measured(labels), measured(labels[first : first + kept, first : first + kept])
        changes.append(contact_weights(part, "distance*border")[1] / contact_weights(whole, "distance*border")[1] - 1)
        means = [np.mean(field.shared_border_px * field.centroid_distance_px) for field in (part, whole)]
        of_all.append(means[0] / means[1] - 1)
        assert weight_unit(part, "border") == weight_unit(whole, "border") == INNER_CONTACTS
    assert abs(np.mean(changes)) < 0.02
    # What is left is chance: which cells the smaller field holds.
    assert np.std(changes, ddof=1) < 0.04
    assert np.mean(of_all) < -0.1


def test_a_small_culture_falls_back_to_all_contacts_and_says_so(grid):
    small = grid(rows=4, columns=5)
    inner = ~small.border[small.pairs].any(axis=1)
    assert inner.sum() == 7 < ENOUGH_CONTACTS
    assert unit_contacts(small).all()
    assert contact_weights(small, "border")[1] == pytest.approx(small.shared_border_px.mean())
    found = fit(small, options=FitOptions(null=0))
    assert found.facts["weight_unit"] == ALL_CONTACTS
    assert any(f"fewer than {ENOUGH_CONTACTS} contacts lie between inner cells" in line for line in found.advice)
    assert fit(small, options=FitOptions(null=0, weights="uniform")).facts["weight_unit"] == EQUAL_CONTACTS
    large = fit(grid(), options=FitOptions(null=0))
    assert large.facts["weight_unit"] == INNER_CONTACTS
    assert not any("between inner cells" in line for line in large.advice)


def test_the_simulated_k_is_in_the_unit_of_the_fit():
    culture = make_culture(SyntheticOptions(cells=40, frames=60, size_px=256, k=0.02))
    found, known = fit(culture.subgraph(), options=FitOptions(null=0)), truth(culture)
    for name in ("weight_unit", "weight_scale"):
        assert known[name] == found.facts[name]
    assert known["weight_unit"] == INNER_CONTACTS


def test_k_of_another_scale_runs_the_same(grid):
    """What version 0.2 stored, k for weights with mean 1 over all contacts, is drawn as it was fitted."""
    culture = grid(frames=40)
    op = operator(culture, "border")
    old_scale = float(culture.shared_border_px.mean())
    # k w is what acts: the old k is larger where the old mean weight was.
    old = 0.01 * old_scale / op.scale
    np.testing.assert_allclose(
        predict(culture, {"weights": "border"}, old, 1e-4, weight_scale=old_scale),
        simulate(op, 0.01, 1e-4, culture.intensity, 10.0),
        atol=1e-12,
    )
    same = predict(culture, {"weights": "border"}, 0.01, 1e-4)
    assert np.array_equal(predict(culture, {"weights": "border"}, 0.01, 1e-4, weight_scale=op.scale), same)


def test_the_unit_of_a_stored_fit():
    assert unit_of_k({"weights": "border"}, {"weight_unit": INNER_CONTACTS}) == INNER_CONTACTS
    assert unit_of_k({"weights": "border"}, {"weight_scale": 7.0}) == ALL_CONTACTS
    assert unit_of_k({"weights": "uniform"}, {"weight_scale": 1.0}) == EQUAL_CONTACTS


def test_a_weight_without_end_is_refused_wherever_it_stands(grid):
    culture = grid()
    at_border = int(np.flatnonzero(culture.border[culture.pairs].all(axis=1))[0])
    distance = culture.centroid_distance_px.copy()
    distance[at_border] = 0
    with pytest.raises(FitError, match="positive borders and distances"):
        contact_weights(replace(culture, centroid_distance_px=distance), "border/distance")
