"""Leak, activity of the cells' own, and drives: what they do to cells is what their formulas say."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from calcigraph.errors import InputError
from calcigraph.models import SyntheticOptions, make_culture, simulate
from calcigraph.models.synthetic.activity import influx_deviation, own_activity
from calcigraph.models.synthetic.drive import common_drive
from calcigraph.models.synthetic.grid import Grid

ALONE = SyntheticOptions(
    cells=36, size_px=220, frames=1000, seed=4, k=0.0, leak=0.01, spikes=0, trace_noise=0.0, feed_spread=0.0, field=1.0
)
"""Cells without coupling, all of which obey the model."""
COUPLED = replace(ALONE, frames=120, k=0.01)
OTHERS = ("activity_size", "activity_s", "drive_size", "drive_s", "drive_px", "period_low_s", "hill_n")


def autocorrelation(traces, lag):
    centred = traces - traces.mean()
    return (centred[:, lag:] * centred[:, : traces.shape[1] - lag]).mean() / (centred**2).mean()


def test_cultures_of_the_options_of_old_are_as_they_were():
    """Rounded, so that only a change of the culture changes the hash, and not the order of a sum."""
    culture = make_culture(SyntheticOptions(frames=121))
    assert hashlib.sha256(np.round(culture.traces, 7).tobytes()).hexdigest()[:16] == "46240a5ae59d0e32"
    old = SyntheticOptions(cells=36, frames=60, size_px=220, seed=4, waves=2, uncoupled=2, abnormal_feeds=3)
    assert hashlib.sha256(np.round(make_culture(old).traces, 7).tobytes()).hexdigest()[:16] == "bdd53d1b5df5dfde"


def test_options_that_belong_to_what_is_off_change_nothing():
    old = SyntheticOptions(cells=36, frames=20, size_px=220, seed=4)
    changed = replace(old, **dict.fromkeys(OTHERS, 7.0))
    np.testing.assert_array_equal(make_culture(changed).traces, make_culture(old).traces)


def test_what_a_cell_has_goes_away_with_the_leak():
    options = replace(ALONE, frames=200, leak=1 / 80, waves=1, wave_speed=1000.0, feed_mean=0.0)
    course = make_culture(options).calcium - 0.5
    peak = int(course.mean(axis=0).argmax()) + 1
    np.testing.assert_allclose(course[:, peak + 8], course[:, peak] / np.e, rtol=1e-9)


def test_border_cells_that_are_driven_leak_too():
    options = replace(ALONE, frames=200, leak=1 / 80, field=None)
    waved, plain = make_culture(replace(options, waves=1, wave_speed=1000.0)), make_culture(options)
    more = (waved.calcium - plain.calcium)[plain.border]
    peak = int(more.mean(axis=0).argmax()) + 1
    np.testing.assert_allclose(more[:, peak + 6], more[:, peak] * np.exp(-60 * (1 / 60 + 1 / 80)), rtol=1e-9)


@pytest.mark.parametrize("time_s", [40.0, 80.0])
def test_a_fluctuation_has_its_size_and_its_time(time_s):
    course = make_culture(replace(ALONE, activity="fluctuation", activity_s=time_s, activity_size=0.1)).calcium
    assert course.std() == pytest.approx(0.1, rel=0.04)
    # The autocorrelation of a cell that forgets at the rate q, driven by a process that forgets at the rate m.
    q, m = 0.01, 1 / time_s
    for lag in (1, 3, 10):
        seconds = lag * ALONE.frame_interval_s
        expected = (m * np.exp(-q * seconds) - q * np.exp(-m * seconds)) / (m - q)
        assert autocorrelation(course, lag) == pytest.approx(expected, abs=0.03)


def test_white_activity_is_a_random_walk_without_leak():
    course = make_culture(replace(ALONE, leak=0.0, activity="white", activity_size=0.1)).calcium
    steps = np.diff(course, axis=1)
    assert steps.std() == pytest.approx(0.1 * np.sqrt(2 * 0.01 * ALONE.frame_interval_s), rel=0.02)
    assert abs(autocorrelation(steps, 1)) < 0.02
    leaking = make_culture(replace(ALONE, activity="white", activity_size=0.1)).calcium
    assert leaking.std() == pytest.approx(0.1, rel=0.04)


def test_oscillations_have_their_size_and_their_periods():
    options = replace(ALONE, activity="oscillation", activity_size=0.1, period_low_s=100.0, period_high_s=200.0)
    course = make_culture(options).calcium
    np.testing.assert_allclose(course.std(axis=1), 0.1, rtol=0.02)
    power = np.abs(np.fft.rfft(course - course.mean(axis=1, keepdims=True))) ** 2
    period = 1 / np.fft.rfftfreq(1000, 10.0)[power.argmax(axis=1)]
    assert period.min() > 99
    assert period.max() < 202
    assert np.ptp(period) > 60


def test_cells_differ_in_activity_by_its_spread():
    options = replace(ALONE, cells=100, size_px=360, frames=500, activity="oscillation", activity_spread=0.5)
    sizes = np.log(make_culture(options).calcium.std(axis=1))
    assert sizes.std() == pytest.approx(0.5, rel=0.2)
    assert np.exp(sizes).mean() == pytest.approx(0.08, rel=0.15)


def test_activity_comes_on_top_of_spikes():
    plain = make_culture(replace(ALONE, frames=120, spikes=3))
    both = make_culture(replace(ALONE, frames=120, spikes=3, activity="fluctuation"))
    only = make_culture(replace(ALONE, frames=120, activity="fluctuation"))
    assert both.spikes == plain.spikes
    rest = ALONE.feed_mean / ALONE.leak + 0.5
    np.testing.assert_allclose(both.calcium, plain.calcium + only.calcium - rest, atol=0.02)


def test_a_recording_starts_in_the_stationary_state():
    options = replace(ALONE, cells=400, size_px=360, frames=2, activity="fluctuation", activity_size=0.1)
    assert make_culture(options).calcium[:, 0].std() == pytest.approx(0.1, rel=0.12)


@pytest.mark.parametrize("field", [None, 1.0])
def test_the_course_obeys_the_model_with_its_leak_and_activity(field):
    """At one point a frame the influx is known: the free run from it is the course, to rounding."""
    options = replace(COUPLED, field=field, activity="fluctuation", activity_s=500.0, frame_interval_s=2.5)
    culture, grid = make_culture(options), Grid.of(options)
    whole = culture.tissue.operator()
    influx = own_activity(options, len(culture.cells), grid).linear[whole.inner][:, grid.first :]
    fine = np.repeat(culture.calcium, grid.substeps, axis=1)[:, : grid.recorded]
    feed = options.feed_mean + options.leak * 0.5
    again = simulate(whole, options.k, feed + influx, fine, grid.step, options.leak)
    tolerance = 1e-12 if field else 2e-3  # a driven border is known at the frames only
    np.testing.assert_allclose(again[:, :: grid.substeps], culture.calcium[whole.inner], atol=tolerance)


def test_points_are_close_enough():
    """Eight times as many points change a fluctuation's course by a few percent, and its variance by 0.5 % at most."""
    fine_options = replace(COUPLED, frames=60, activity="fluctuation", activity_s=20 / 12.8)
    fine = Grid.of(fine_options)
    coarse_options = replace(fine_options, activity_s=20.0)
    ratio = fine.substeps // Grid.of(coarse_options).substeps
    assert ratio == 8
    influx = own_activity(coarse_options, 36, fine).linear
    op, start = make_culture(replace(COUPLED, frames=2)).tissue.operator(), np.full((36, influx.shape[1]), 0.5)
    exact = simulate(op, 0.01, influx, start, fine.step, 0.01)[:, ::ratio]
    rough = simulate(op, 0.01, influx[:, ::ratio], start[:, ::ratio], fine.step * ratio, 0.01)
    assert (rough - exact)[:, 100:].std() < 0.04 * exact[:, 100:].std()
    assert rough[:, 100:].var() == pytest.approx(exact[:, 100:].var(), rel=0.005)


def grid_and_places(**options):
    made = SyntheticOptions(frames=1000, drive_size=1.0, **options)
    place = np.arange(0, 400, 50.0)
    return made, Grid.of(made), place


def test_a_global_drive_is_the_same_everywhere():
    culture = make_culture(replace(ALONE, frames=50, drive="global", leak=0.0, k=0.02))
    apart = culture.calcium - culture.calcium.mean(axis=0)
    alone = make_culture(replace(ALONE, frames=50, leak=0.0, k=0.02)).calcium
    np.testing.assert_allclose(apart, alone - alone.mean(axis=0), atol=2e-3)
    assert np.ptp(culture.calcium.mean(axis=0)) > 0.02
    gains = make_culture(replace(ALONE, frames=400, drive="global", drive_spread=0.5)).calcium.std(axis=1)
    assert np.log(gains).std() == pytest.approx(0.5, rel=0.3)


def test_a_plane_drive_comes_later_further_on():
    options, grid, place = grid_and_places(drive="plane", drive_s=50.0, wave_speed=2.0)
    x, y = (axis.ravel() for axis in np.meshgrid(place, place))
    course = common_drive(options, x, y, grid)
    # The same course with a delay: what one cell has now, another has had before.
    piece = course[0, 2000:2100]
    windows = np.lib.stride_tricks.sliding_window_view(course[:, 1700:2400], 100, axis=1)
    late = (np.abs(windows - piece).sum(axis=2) == 0).argmax(axis=1) - 300
    slowness = np.linalg.lstsq(np.stack([x, y, np.ones(64)], axis=1), late * grid.step, rcond=None)[0][:2]
    assert 1 / np.hypot(*slowness) == pytest.approx(2.0, rel=0.02)
    assert course.std() == pytest.approx(influx_deviation(50.0), rel=0.1)


def test_blobs_are_alike_within_their_reach():
    options, grid, _ = grid_and_places(drive="blobs", drive_s=20.0, drive_px=80.0)
    x = np.array([0.0, 40, 80, 160, 400])
    course = common_drive(options, x, np.zeros(5), grid) / influx_deviation(20.0)
    np.testing.assert_allclose(course.std(axis=1), 1, rtol=0.15)
    np.testing.assert_allclose(np.corrcoef(course)[0], np.exp(-(x**2) / (2 * 80**2)), atol=0.15)


def test_released_substances_spread_and_decay():
    options, grid, place = grid_and_places(drive="paracrine", drive_s=100.0, drive_px=60.0)
    x, y = (axis.ravel() for axis in np.meshgrid(place, place))
    course = common_drive(options, x, y, grid) / influx_deviation(100.0)
    assert course.std() == pytest.approx(1, rel=0.15)
    assert course.mean() == pytest.approx(0, abs=0.15)
    near, far = (np.corrcoef(course[0], course[to])[0, 1] for to in (1, 63))
    assert near > 0.5 > 0.25 > abs(far)


def test_a_drive_needs_no_coupling():
    culture = make_culture(replace(ALONE, frames=300, drive="blobs", drive_px=60.0))
    pairs = culture.geometry.pairs
    like = np.corrcoef(culture.calcium)
    assert like[pairs[:, 0], pairs[:, 1]].mean() > 0.4


def test_periods_in_the_wrong_order_are_refused():
    with pytest.raises(InputError, match="period_low_s is 400 and above period_high_s, 300"):
        SyntheticOptions(period_low_s=400.0)
    with pytest.raises(InputError, match="activity"):
        SyntheticOptions(activity="dance")
