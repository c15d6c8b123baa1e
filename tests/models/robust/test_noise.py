"""The noise that residuals show."""

from __future__ import annotations

import numpy as np

from calcigraph.models.robust.equations import CellEquations
from calcigraph.models.robust.noise import measure_noise


def test_a_group_that_was_left_out_has_no_noise_and_disturbs_no_other() -> None:
    """As where all frames of a bootstrapped culture's cells are taken for transients, with residuals far off."""
    left_out = np.array([False, False, True, True])
    none, one = np.zeros(4), np.ones(4)
    normal = np.where(left_out, 0.0, 1.0)[:, None, None]
    equations = CellEquations(
        dt=10.0, group=np.array([0, 0, 1, 1]), groups=2, base=1, normal=normal, right=none[:, None], noise=0 * normal,
        mean_regressors=none[:, None], mean_increment=none, feed_information=one, coupling_square=one, feed_square=one,
        q=2 * one, covariance=np.array([[2.0, 2, 50, 50], [-1.0, -1, 9, 9], none]), expected=np.array([2 * one, -one]),
    )  # fmt: skip
    found = measure_noise(equations)
    assert found.noise.tolist() == [1, 0]
    assert found.excess_cell.tolist() == [1, 1, 0, 0]
    assert np.isfinite(found.unit).all()
    assert np.isfinite(found.right_variance).all()
