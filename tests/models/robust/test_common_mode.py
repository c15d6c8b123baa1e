"""What all cells share in a frame does not move k."""

import numpy as np
import pytest

from calcigraph.models import FitOptions, SyntheticOptions, fit, make_culture
from calcigraph.models.robust.common_mode import middle_part, shared_part

PLAIN = FitOptions(null=0)
"""Without the null."""


def fitted(seed=61, **options):
    culture = make_culture(SyntheticOptions(k=0.012, spikes=15, seed=seed, **options))
    return fit(culture.subgraph(), "robust", PLAIN)


@pytest.mark.parametrize(
    ("optics", "limit"),
    [({"flicker": 0.01}, 0.005), ({"glow": 0.1}, 0.01), ({"drive": "global"}, 0.005)],
    ids=["flicker", "glow", "drive"],
)
def test_k_is_that_of_a_culture_without_a_common_mode(optics, limit):
    found = fitted(**optics)
    assert found.facts["estimator"] == "robust"
    assert found.facts["common_mode"]
    assert found.k == pytest.approx(0.012, rel=limit)
    assert found.k_low < 0.012 < found.k_high


def test_a_culture_without_one_keeps_its_fit():
    found = fitted()
    assert not found.facts["common_mode"]
    assert found.k == pytest.approx(0.012, rel=0.003)


def test_a_shared_part_is_that_of_the_cells_in_use_and_of_their_group():
    values = np.array([[0.0, 3.0, 0.0], [0.0, 5.0, 9.0], [2.0, 2.0, 8.0]])
    used = np.array([[True, True, True], [True, True, False], [True, True, True]])
    shared = shared_part(values, used, np.array([0, 0, 1]))
    # The means over cells are 0, 4 and 0 in the first group, 2, 2 and 8 in the second; their means over time go.
    np.testing.assert_allclose(shared, [[-4 / 3, 8 / 3, -4 / 3], [-4 / 3, 8 / 3, -4 / 3], [-2, -2, 4]])


def test_a_middle_part_is_found_among_cells_of_which_many_are_active():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal(200)
    values = 0.01 * rng.standard_normal((60, 200)) + shared
    active = rng.random(values.shape) < 0.25
    values += active * rng.uniform(0.02, 2, values.shape)
    off = middle_part(values, np.zeros(60, int))[0] - (shared - shared.mean())
    # 45 quiet cells know it to 0.01 / sqrt(45); their median would be off by 0.004, to one side.
    assert np.std(off) < 0.003
