"""Parts of the detection: windows, noise in groups, the count of chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcigraph.models.events.chance import least_score
from calcigraph.models.events.grouping import groups
from calcigraph.models.events.noise import measure_sums, pooled
from calcigraph.models.events.refinement import MOST_NUMBERS, windows
from calcigraph.models.events.search import filters
from calcigraph.models.events.shapes import bank, heights
from calcigraph.models.events.unmixing import unmixed
from calcigraph.models.events.wandering import wandering_baseline

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("events", [0, 1, 30, 5000])
def test_windows_hold_every_event_once(events: int) -> None:
    first = RNG.uniform(-50, 400, events)
    last = first + RNG.exponential(60, events)
    low, high = np.floor(np.clip(first, 0, 360)), np.ceil(np.clip(last, np.floor(np.clip(first, 0, 360)), 360))
    seen: list[int] = []
    for window in windows(first, last, 361):
        seen += window.rows.tolist()
        assert window.good.size <= MOST_NUMBERS
        assert (window.good.sum(axis=1) == high[window.rows] - low[window.rows] + 1).all()
        assert (window.frame[:, 0] == low[window.rows]).all()
        assert (window.place[window.good] == window.frame[window.good]).all()
        assert window.place.max() <= 360
    assert sorted(seen) == list(range(events))


@pytest.mark.parametrize("cells", [0, 1, 99, 100, 101, 5000, 12_345])
def test_groups_hold_every_cell_once(cells: int) -> None:
    parts = groups(cells, 1000)
    assert np.concatenate([np.arange(cells)[part] for part in parts]).tolist() == list(range(cells))
    assert max(part.stop - part.start for part in parts) <= 1000


def test_noise_of_groups_is_that_of_the_whole() -> None:
    rest, active = RNG.standard_normal((40, 361)), RNG.random((40, 361)) < 0.1
    whole = pooled([measure_sums(rest, active)])
    parts = pooled([measure_sums(rest[rows], active[rows]) for rows in (slice(0, 7), slice(7, 40))])
    assert parts.frame == pytest.approx(whole.frame)
    assert parts.ratio == pytest.approx(whole.ratio)
    # White noise of deviation 1: the error of a deviation from 325 values is 4 %.
    assert np.median(whole.frame) == pytest.approx(1, abs=0.03)
    assert np.median(whole.ratio) == pytest.approx(1, abs=0.15)


def test_single_precision_is_enough_for_noise() -> None:
    rest = RNG.standard_normal((10, 361)) * 1e-4
    double, single = pooled([measure_sums(rest)]), pooled([measure_sums(rest.astype(np.float32))])
    assert single.frame == pytest.approx(double.frame, rel=1e-4)
    assert single.ratio == pytest.approx(double.ratio, rel=1e-3)


def test_chance_may_be_counted_in_half_of_the_cells() -> None:
    score = np.concatenate([RNG.normal(8, 1.5, 300), 3.3 + RNG.exponential(0.2, 200)])
    chance = 3.3 + RNG.exponential(0.2, 200)
    whole = least_score(score, chance, 100, 100, 361, 3.3)
    assert least_score(score, chance[:100], 50, 100, 361, 3.3) == pytest.approx(whole, abs=0.2)
    # As many chance events as weak ones: these are left out.
    assert 3.7 < whole < 6


def test_a_baseline_follows_its_wandering_and_no_more() -> None:
    frame = np.arange(361)
    slow = np.sin(2 * np.pi * (frame / 250 + RNG.random((30, 1))))
    noise = RNG.standard_normal((30, 361))
    level, smoothers = wandering_baseline(slow + noise, np.zeros((30, 361)), np.zeros((30, 361), dtype=bool), 20.0)
    # 18 half waves at most, from 361 values of deviation 1: an error of 0.22 even if all of them were followed.
    assert np.sqrt(((level - slow) ** 2).mean()) < 0.22
    flat, _ = wandering_baseline(noise, np.zeros((30, 361)), np.zeros((30, 361), dtype=bool), 20.0)
    assert np.sqrt((flat**2).mean()) < 0.15
    again, _ = wandering_baseline(
        slow[:7] + noise[:7], np.zeros((7, 361)), np.zeros((7, 361), dtype=bool), 20.0, smoothers
    )
    assert again == pytest.approx(level[:7])


def test_a_baseline_is_as_well_known_at_its_ends() -> None:
    rng = np.random.default_rng(5)
    noise, slope = rng.standard_normal((60, 361)), 2 * rng.standard_normal((60, 1)) * np.linspace(-1, 1, 361)
    flat, _ = wandering_baseline(noise, np.zeros((60, 361)), np.zeros((60, 361), dtype=bool), 20.0)
    # A line through 361 values of deviation 1 is off by 0.11 at its ends.
    assert flat[:, [0, -1]].std() < 0.15
    level, _ = wandering_baseline(noise + slope, np.zeros((60, 361)), np.zeros((60, 361), dtype=bool), 20.0)
    assert (level - slope)[:, [0, -1]].std() < 0.25


def test_close_events_are_unmixed() -> None:
    given = filters(bank(80.0), 361)
    usual = int(np.flatnonzero(given.shapes.width < 10)[-1])
    given = replace(given, bonus=np.where(np.arange(len(given.shapes)) == usual, 1.0, 0.0))
    shape = np.repeat(given.shapes.shape[[usual]], 3, axis=0)
    shape[:, 0] += [100, 105, 200]
    frame = np.broadcast_to(np.arange(361.0), (3, 361))
    trace = 10 * heights(shape, frame).sum(axis=0) + 0.3 * np.random.default_rng(1).standard_normal(361)
    found = unmixed(trace[None].astype(np.float32), np.ones((1, len(given.shapes))), given, 4.0)
    assert found.shape[:, 0] == pytest.approx(shape[:, 0], abs=1)
    assert found.height == pytest.approx(10, rel=0.2)


def test_few_bins_are_no_baseline_to_follow() -> None:
    first = RNG.standard_normal((2, 30))
    level, smoothers = wandering_baseline(np.zeros((2, 30)), first, np.zeros((2, 30), dtype=bool), 20.0)
    assert smoothers == ()
    assert (level == first).all()
