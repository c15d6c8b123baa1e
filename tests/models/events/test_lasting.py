"""Rises that stay are told, and events, drifts and noise are not taken for them."""

from __future__ import annotations

import numpy as np
import pytest

from calcigraph.models import SyntheticOptions, make_culture
from calcigraph.models.event_options import EventOptions
from calcigraph.models.event_run import find_events
from calcigraph.models.events.lasting import Lasting, lasting_rises
from calcigraph.store.types import FloatArray

FRAMES = 361


def found(course: FloatArray, cells: int = 40, noise: float = 1.0) -> Lasting:
    traces = course + np.random.default_rng(1).normal(0, noise, (cells, FRAMES))
    return lasting_rises(traces, np.full(cells, noise), interval_s=10.0, stay=100)


def step(at: int) -> FloatArray:
    return (np.arange(FRAMES) >= at).astype(float)


def test_every_step_that_stays_is_counted() -> None:
    assert found(10 * step(50)) == Lasting(rises=40, cells=40, searched=40)
    assert found(10 * step(50) + 10 * step(200)) == Lasting(rises=80, cells=40, searched=40)


@pytest.mark.parametrize(
    "course",
    [
        np.zeros(FRAMES),
        -10 * step(50),
        10 * step(50) - 10 * step(130),  # an event of 80 frames
        30 * np.exp(-(np.arange(FRAMES) - 50) / 30) * step(50),
        0.1 * np.arange(FRAMES),
        8 * np.sin(np.arange(FRAMES) / 30),
        10 * step(340),  # how long it stays is not seen
    ],
)
def test_what_falls_back_or_changes_slowly_is_not(course: FloatArray) -> None:
    assert found(course).cells == 0


def test_wandering_levels_are_not() -> None:
    walk = np.cumsum(np.random.default_rng(2).normal(0, 1.0, (40, FRAMES)), axis=1)
    assert found(walk).cells <= 1


def test_recordings_too_short_and_cells_without_noise_give_nothing() -> None:
    traces = np.tile(10 * step(20)[:70], (5, 1))
    assert lasting_rises(traces, np.ones(5), interval_s=10.0, stay=30) == Lasting(0, 0, 5)
    assert lasting_rises(traces, np.zeros(5), interval_s=10.0, stay=30) == Lasting(0, 0, 0)


def test_few_cells_are_not_told() -> None:
    assert [Lasting(9, cells, 20).many for cells in (2, 3)] == [False, True]
    assert [Lasting(9, cells, 100).many for cells in (9, 10)] == [False, True]


@pytest.mark.parametrize(("leak", "told"), [(0.0, True), (1 / 300, False)])
def test_the_command_warns_where_calcium_stays_in_the_cells(leak: float, told: bool) -> None:
    options = SyntheticOptions(cells=60, size_px=380, k=0.003, leak=leak, seed=3)
    run = find_events(make_culture(options).subgraph(), EventOptions(exchanges=19))
    lines = [line for line in run.advice if "the level rises and stays" in line]
    assert len(lines) == told
    cells = run.facts["lasting_rise_cells"]
    assert (cells >= 6) == told
    if told:
        assert f"in {cells} of 60 cells the level rises and stays, {run.facts['lasting_rises']} times" in lines[0]
        assert "picture synthetic traces" in lines[0]
        assert "--leak" in lines[0]
