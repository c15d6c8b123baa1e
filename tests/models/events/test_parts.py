"""Parts of the detection: windows, noise in groups, the count of chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcigraph.models.events.chance import least_score
from calcigraph.models.events.grouping import groups
from calcigraph.models.events.leftovers import drifting
from calcigraph.models.events.noise import measure_sums, pooled
from calcigraph.models.events.refinement import MOST_NUMBERS, Candidates, windows
from calcigraph.models.events.search import CELLS, filters
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


def test_cells_are_unmixed_alike_in_any_company() -> None:
    given = filters(bank(80.0), 361)
    noise = np.random.default_rng(5).standard_normal((CELLS + 3, 361)).astype(np.float32)
    ratio = np.ones((len(noise), len(given.shapes)))
    whole, last = unmixed(noise, ratio, given, 1.0), unmixed(noise[CELLS:], ratio[CELLS:], given, 1.0)
    mine = whole.cell >= CELLS
    assert mine.any()
    assert (whole.cell[mine] - CELLS).tolist() == last.cell.tolist()
    assert whole.height[mine] == pytest.approx(last.height, rel=1e-4)


@pytest.mark.parametrize("frames", [60, 361, 700])
def test_spectra_on_a_smaller_circle_give_the_same_sums(frames: int) -> None:
    given = filters(bank(min(80.0, frames / 3)), frames)
    trace = np.random.default_rng(6).standard_normal(frames)
    assert len(set(given.sizes)) == 2
    for spectrum, size, values in zip(given.spectra, given.sizes, given.shapes.values, strict=True):
        found = np.fft.irfft(np.fft.rfft(trace, size) * spectrum, size)[:frames]
        padded = np.pad(trace, given.shapes.middle)
        assert found == pytest.approx(np.correlate(padded, values, "valid"), abs=1e-4)


def _events(height: np.ndarray, fall: np.ndarray, score: float) -> Candidates:
    shape = np.log(np.tile([1.0, 1.0, 0.1, 4.0, 1.0], (len(height), 1)))
    shape[:, 3] = np.log(fall)
    return Candidates(np.arange(len(height)), shape, shape, height, 0 * height, np.full(len(height), score))


def _low(number: int, height: float = 1.5, fall: float = 40.0, score: float = 7.0, spread: float = 0.2) -> int:
    """How many of 100 events are called a drift, of which so many are low."""
    rng = np.random.default_rng(number)
    heights_, falls = 10 * np.exp(spread * rng.standard_normal(100)), np.full(100, 4.0)
    heights_[:number], falls[:number] = height, fall
    found = drifting(_events(heights_, falls, score))
    assert not found[number:].any()
    return int(found.sum())


def test_few_low_and_long_rises_are_a_drift() -> None:
    assert [_low(number) for number in (0, 1, 2)] == [0, 1, 2]
    # Three in a hundred are a kind of event, as are those that no drift makes.
    assert _low(3) == 0
    assert _low(2, score=11.0) == 0
    assert _low(2, height=4.0) == 0


def test_low_and_short_rises_are_none_where_heights_are_alike() -> None:
    assert _low(2, height=2.0, fall=4.0) == 2
    assert _low(2, height=2.0, fall=4.0, spread=0.7) == 0
    assert not len(drifting(_events(np.zeros(0), np.zeros(0), 7.0)))


def test_few_bins_are_no_baseline_to_follow() -> None:
    first = RNG.standard_normal((2, 30))
    level, smoothers = wandering_baseline(np.zeros((2, 30)), first, np.zeros((2, 30), dtype=bool), 20.0)
    assert smoothers == ()
    assert (level == first).all()
