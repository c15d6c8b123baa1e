"""What is saved between the sets of moments of a culture changes none of them."""

from __future__ import annotations

import numpy as np
import pytest

from calcigraph.models import SyntheticOptions, make_culture, operator
from calcigraph.models.decorrelation.fit import prepared_traces
from calcigraph.models.decorrelation.pair_moments import forms, moments
from calcigraph.models.decorrelation.pairs import Contacts
from calcigraph.models.decorrelation.residuals import Sources, of_other_law, sources
from calcigraph.store.types import Subgraph

LAW, OTHER = "distance*border", "border/distance"


@pytest.fixture(scope="module")
def culture() -> Subgraph:
    return make_culture(SyntheticOptions(cells=80, frames=150, size_px=420, k=0.02, leak=0.002, seed=3)).subgraph()


@pytest.fixture(scope="module")
def prepared(culture: Subgraph) -> tuple[Sources, Contacts]:
    return prepared_traces("x", operator(culture, LAW), culture.intensity, culture.frame_interval_s, None)


@pytest.mark.parametrize(("k", "leak"), [(0.02, 0.0), (0.005, 0.004), (0.0, 0.02)])
def test_moments_of_one_k_are_those_of_all(prepared: tuple[Sources, Contacts], k: float, leak: float) -> None:
    whole, one = (moments(*prepared, k, leak, one_k=one_k) for one_k in (False, True))
    leaks = np.array([0.0, leak, 0.01])
    np.testing.assert_allclose(one.at(k, leaks), whole.at(k, leaks), rtol=1e-8, atol=1e-9 * abs(whole.pairs).sum())
    for name in ("pairs", "others", "covariance"):
        values = getattr(whole, name)
        np.testing.assert_allclose(getattr(one, name), values, rtol=1e-9, atol=1e-12 * abs(values).max(), err_msg=name)


def test_moments_do_not_depend_on_those_before(prepared: tuple[Sources, Contacts]) -> None:
    first = moments(*prepared, 0.02, 0.001)
    assert len(prepared[0].spare) == 1, "their memory is kept for the next ones"
    moments(*prepared, 0.05, 0.0, one_k=True)
    again = moments(*prepared, 0.02, 0.001)
    assert (again.pairs == first.pairs).all()
    assert (again.forms == first.forms).all()
    assert (forms(*prepared, 0.02, 0.001).forms == first.forms).all()
    assert len(prepared[0].spare) == 1


def test_moments_are_quadratic_in_k_and_the_leak(prepared: tuple[Sources, Contacts]) -> None:
    """At the filters of one k and leak, three values of each tell all others."""
    found = forms(*prepared, 0.02, 0.001)
    steps = np.array([0.0, 0.01, 0.02, 0.035])
    for values in (found.at(steps, 0.001), found.at(0.02, steps)):
        curve = np.polynomial.polynomial.polyfit(steps[:3], values[:3], 2)
        expected = np.polynomial.polynomial.polyval(steps[3], curve)
        np.testing.assert_allclose(values[3], expected, rtol=1e-6, atol=1e-9 * abs(found.forms).max())


def test_the_sources_of_another_law_differ_by_the_pull_alone(
    culture: Subgraph, prepared: tuple[Sources, Contacts]
) -> None:
    op = operator(culture, OTHER)
    known, dt = prepared[0], culture.frame_interval_s
    found, anew = of_other_law(known, op, culture.intensity), sources(op, culture.intensity, dt, known.drift_order)
    for name in ("parts", "spectra"):
        values = getattr(anew, name)
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-9, atol=1e-12 * abs(values).max())
    assert (known.parts[1] != found.parts[1]).any(), "the culture's own are as they were"
