"""The plain word of a cell and of a culture, and why."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from calcigraph.models.estimate import Estimate
from calcigraph.models.identify import (
    IDENTIFIED,
    NOT,
    WEAK,
    at_bound,
    cell_identifiability,
    culture_identifiability,
    repeated_frames,
)
from calcigraph.models.table import FitOptions, model_named
from calcigraph.models.task import Solved


def task(cells=1, doubts=(), **options):
    chosen, model = FitOptions(**options), model_named("robust")
    return SimpleNamespace(
        options=chosen,
        subgraph=SimpleNamespace(doubts=doubts),
        op=SimpleNamespace(coupled=np.ones(cells, dtype=bool)),
        dt=10.0,
        train=np.zeros((cells, 361)),
        k_box=model.k_box(chosen),
        feed_box=model.feed_box(chosen),
    )


def solved(half, k=0.01, feed=0.0, culture=(0.01, 0.0099, 0.0101), **more):
    half = np.atleast_1d(np.asarray(half, dtype=float))
    around = Estimate.around(np.full(len(half), k), half)
    return Solved(
        k=around,
        feed=Estimate.around(np.full(len(half), feed), half),
        k_cell=around,
        culture_k=Estimate(*culture),
        culture_feed=Estimate(0.0, 0.0, 0.0),
        **more,
    )


@pytest.mark.parametrize(
    ("half", "word"), [(0.001, IDENTIFIED), (0.0049, IDENTIFIED), (0.007, WEAK), (0.02, NOT), (np.nan, NOT)]
)
def test_a_cell_is_judged_by_its_interval(half, word):
    words, why = cell_identifiability(task(), solved(half))
    assert words == (word,)
    assert (why[0] == "") == (word == IDENTIFIED)


def test_an_uncoupled_cell_is_measured_against_the_culture():
    words, _ = cell_identifiability(task(), solved(0.0005, k=0.0))
    assert words == (IDENTIFIED,)


def test_reasons_make_a_cell_weak_at_best():
    words, why = cell_identifiability(task(2), solved([0.001, 0.02], reasons=(("it hums",), ("it hums",))))
    assert words == (WEAK, NOT)
    assert why[0] == "it hums"
    assert why[1].endswith("; it hums")


def test_a_parameter_at_its_bound_is_named():
    bounded = task(feed_bounds=(-1e-5, 1e-5))
    words, why = cell_identifiability(bounded, solved(0.001, feed=-1e-5))
    assert words == (WEAK,)
    assert "at its bound" in why[0]
    assert cell_identifiability(bounded, solved(0.001))[0] == (IDENTIFIED,)


def test_a_cell_without_contacts_is_not_identified():
    lonely = task()
    lonely.op.coupled[:] = False
    words, why = cell_identifiability(lonely, solved(np.nan, k=np.nan))
    assert words == (NOT,)
    assert "no contacts" in why[0]


@pytest.mark.parametrize(
    ("culture", "word"),
    [
        ((0.01, 0.0099, 0.0101), IDENTIFIED),
        ((0.01, 0.008, 0.012), WEAK),
        ((0.01, 0.0, 0.03), NOT),
        ((0.01, np.nan, np.nan), NOT),
    ],
)
def test_a_culture_is_judged_by_its_interval(culture, word):
    found, why = culture_identifiability(task(), solved(0.001, culture=culture), None)
    assert found == word
    assert bool(why) == (word != IDENTIFIED)


@pytest.mark.parametrize(("p", "word"), [(None, IDENTIFIED), (0.01, IDENTIFIED), (0.3, WEAK)])
def test_chance_makes_a_culture_weak(p, word):
    found, why = culture_identifiability(task(), solved(0.001), p)
    assert found == word
    assert ("shuffled" in " ".join(why)) == (word == WEAK)


def test_at_bound_minds_finite_bounds_only():
    values = np.array([0.0, 0.5, 1.0, np.nan, np.inf])
    assert at_bound(values, (0.0, 1.0)).tolist() == [True, False, True, False, False]
    assert not at_bound(values, (-np.inf, np.inf)).any()


def test_frames_that_are_copies_take_the_claim():
    moving = np.random.default_rng(0).normal(size=(4, 40))
    assert repeated_frames(moving) == 0
    assert repeated_frames(np.ones((4, 40))) == 0
    held = np.repeat(moving[:, :20], 2, axis=1)
    assert repeated_frames(held) == 20


def test_doubts_about_the_contacts_make_the_culture_weak_at_best():
    word, why = culture_identifiability(task(doubts=("few contacts",)), solved(0.001), None)
    assert (word, why) == (WEAK, ("few contacts",))
    assert culture_identifiability(task(), solved(0.001), None) == (IDENTIFIED, ())
