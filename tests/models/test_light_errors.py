"""What stays of the neighbours' light in the traces is in the interval of k."""

from dataclasses import replace

import numpy as np

from calcigraph.models import FitOptions, SyntheticOptions, fit, make_culture


def test_the_interval_reaches_down_by_four_times_the_share():
    culture = make_culture(SyntheticOptions(cells=60, frames=150, size_px=384, k=0.015, seed=5)).subgraph()
    plain = fit(culture, "robust", FitOptions(null=0))
    lit = fit(replace(culture, neighbours_light=0.05), "robust", FitOptions(null=0))
    assert lit.k == plain.k
    assert lit.k_high == plain.k_high
    assert np.isclose(plain.k - lit.k_low, np.hypot(plain.k - plain.k_low, 0.2 * plain.k))
    assert (lit.cells["k_low"] <= plain.cells["k_low"]).all()
    assert lit.facts["neighbours_light"] == 0.05
    assert "neighbours_light" not in plain.facts


def test_blurred_light_of_neighbours_makes_k_too_large():
    # Why the interval reaches down: the traces of a culture whose cells share light, but not coupling alone.
    options = SyntheticOptions(cells=60, frames=200, size_px=384, k=0.015, seed=6, spikes=8, crosstalk=0.05)
    culture = replace(make_culture(options).subgraph(), neighbours_light=0.05)
    found = fit(culture, "robust", FitOptions(null=0))
    assert found.k > 0.015
    assert found.k_low < 0.015 < found.k_high
