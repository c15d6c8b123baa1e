"""The plain word of a cell and of a culture, and why."""

from __future__ import annotations

from dataclasses import replace
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


def test_a_cell_is_judged_by_the_farther_end_of_its_interval():
    one = solved(0.004)
    lopsided = Estimate(np.array([0.01]), np.array([0.0095]), np.array([0.0175]))
    assert cell_identifiability(task(), one)[0] == (IDENTIFIED,)
    assert cell_identifiability(task(), replace(one, k_cell=lopsided))[0] == (WEAK,)


def test_where_nothing_is_coupled_no_cell_is_identified():
    """The length of the recording is no measure of k: an interval of [0, 0.0001] 1/s tells no cell's k."""
    words, why = cell_identifiability(task(), solved(0.0001, k=0.0, culture=(0.0, 0.0, 0.00005)))
    assert words == (NOT,)
    assert why == ("neither its k nor that of the culture can be distinguished from 0",)


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
    ("culture", "word", "reason"),
    [
        ((0.01, 0.0099, 0.0101), IDENTIFIED, None),
        ((0.01, 0.0068, 0.0132), IDENTIFIED, None),
        ((0.01, 0.0065, 0.0135), WEAK, "k is known to within 35 % only"),
        ((0.01, 0.0095, 0.0142), WEAK, "k is known to within 42 % only"),
        ((0.01, 0.0048, 0.0152), NOT, "k is known to within 52 % only"),
        ((3e-5, 8.4e-6, 5.16e-5), NOT, "k is known to within 72 % only"),
        ((0.01, 0.0, 0.012), NOT, "k cannot be distinguished from 0; it is at most 0.012 1/s"),
        ((0.0, 0.0, 1e-5), NOT, "k cannot be distinguished from 0; it is at most 1e-05 1/s"),
        ((0.01, np.nan, np.nan), NOT, "there is no interval for k"),
    ],
)
def test_a_culture_is_judged_by_its_interval(culture, word, reason):
    """A third of k itself, and half of it: a k that is slow against the recording is judged no milder."""
    found, why = culture_identifiability(task(), solved(0.001, culture=culture), None, [IDENTIFIED])
    assert found == word
    assert why == (() if reason is None else (reason,))


@pytest.mark.parametrize(
    ("count", "cells", "word"),
    [(74, 74, IDENTIFIED), (38, 74, IDENTIFIED), (37, 74, WEAK), (12, 74, WEAK), (2, 4, WEAK), (3, 4, IDENTIFIED)],
)
def test_most_cells_must_be_identified_themselves(count, cells, word):
    words = [IDENTIFIED] * count + [WEAK, NOT] * (cells - count)
    found, why = culture_identifiability(task(cells), solved([0.001] * cells), None, words[:cells])
    assert found == word
    reason = f"the k of the culture is known, but only that of {count} of its {cells} cells is identified"
    assert why == (() if word == IDENTIFIED else (reason,))


@pytest.mark.parametrize("cells", [1, 2, 3])
def test_one_of_few_cells_does_not_decide_about_the_culture(cells):
    found, why = culture_identifiability(task(cells), solved([0.001] * cells), None, [NOT] * cells)
    assert (found, why) == (IDENTIFIED, ())


def test_cells_without_contacts_are_not_counted():
    lonely = task(10)
    lonely.op.coupled[:5] = False
    words = [NOT] * 5 + [IDENTIFIED] * 3 + [WEAK] * 2
    assert culture_identifiability(lonely, solved([0.001] * 10), None, words) == (IDENTIFIED, ())


def test_a_wide_interval_is_the_only_reason_that_is_told():
    found, why = culture_identifiability(task(9), solved([0.001] * 9, culture=(0.01, 0.006, 0.014)), None, [NOT] * 9)
    assert (found, why) == (WEAK, ("k is known to within 40 % only",))


@pytest.mark.parametrize(("p", "word"), [(None, IDENTIFIED), (0.01, IDENTIFIED), (0.3, WEAK)])
def test_chance_makes_a_culture_weak(p, word):
    found, why = culture_identifiability(task(), solved(0.001), p, [IDENTIFIED])
    assert found == word
    assert why == (
        () if word == IDENTIFIED else ("neighbours do not share more than a smooth drive gives them (p = 0.3)",)
    )


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
    word, why = culture_identifiability(task(doubts=("few contacts",)), solved(0.001), None, [IDENTIFIED])
    assert (word, why) == (WEAK, ("few contacts",))
    assert culture_identifiability(task(), solved(0.001), None, [IDENTIFIED]) == (IDENTIFIED, ())
