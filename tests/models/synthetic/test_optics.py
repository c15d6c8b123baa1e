"""What indicator and light make of calcium, in traces and in movies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcigraph.models import SyntheticOptions, make_culture, movie_frames
from calcigraph.models.synthetic.grid import Grid
from calcigraph.models.synthetic.indicator import log_brightness
from calcigraph.models.synthetic.optics import lamp

PLAIN = SyntheticOptions(cells=36, size_px=220, frames=100, seed=4, trace_noise=0.0)


@pytest.fixture(scope="module")
def plain():
    return make_culture(PLAIN)


def with_optics(plain, **options):
    """The same culture under other optics; its calcium is what it was."""
    culture = make_culture(replace(PLAIN, **options))
    np.testing.assert_array_equal(culture.calcium, plain.calcium)
    return culture


def neighbours(culture, row):
    pairs = culture.geometry.pairs
    return np.concatenate([pairs[pairs[:, 0] == row, 1], pairs[pairs[:, 1] == row, 0]])


def test_plain_brightness_is_calcium(plain):
    np.testing.assert_array_equal(plain.intensity, plain.calcium)
    np.testing.assert_array_equal(plain.traces, plain.calcium)


@pytest.mark.parametrize("modulation", [1.0, 4.0])
def test_with_a_modulation_brightness_itself_is_shared(plain, modulation):
    culture = with_optics(plain, modulation=modulation)
    brightness = np.exp(culture.intensity - 0.5)
    slope, offset = np.polyfit(culture.calcium.ravel(), brightness.ravel(), 1)
    np.testing.assert_allclose(brightness, slope * culture.calcium + offset, atol=1e-9)
    assert slope == pytest.approx(modulation)
    assert 1 <= brightness.min() < 1.01


@pytest.mark.parametrize(("kd", "n"), [(3.0, 1.0), (1.0, 2.0)])
def test_an_indicator_saturates(plain, kd, n):
    culture = with_optics(plain, hill_kd=kd, hill_n=n)
    calcium = np.exp(plain.calcium - 0.5)
    np.testing.assert_allclose(np.exp(culture.intensity - 0.5), (1 + kd**n) / (1 + (kd / calcium) ** n), rtol=1e-12)
    assert culture.intensity.std() < plain.intensity.std()


def test_a_slow_indicator_lags():
    options = replace(PLAIN, frames=40, indicator_s=25.0)
    grid = Grid.of(options)
    calcium = np.full((1, grid.points), 0.5)
    calcium[:, 1:] += np.log(2.0)
    brightness = np.exp(log_brightness(options, calcium, grid) - 0.5)[0]
    np.testing.assert_allclose(2 - brightness[2:20], (2 - brightness[1:19]) * np.exp(-10 / 25), rtol=1e-9)
    assert brightness[0] == 1


def test_flicker_is_one_factor_for_all_cells(plain):
    culture = with_optics(plain, flicker=0.01)
    factor = culture.traces - culture.intensity
    np.testing.assert_allclose(factor, np.broadcast_to(np.log(lamp(culture.options)), factor.shape), atol=1e-12)
    assert factor[0].std() == pytest.approx(0.01, rel=0.2)
    assert abs(np.corrcoef(factor[0, 1:], factor[0, :-1])[0, 1]) < 0.3


def test_traces_bleach_as_movies_do(plain):
    culture = with_optics(plain, bleaching=0.3)
    lost = np.exp(culture.traces - plain.traces)
    np.testing.assert_allclose(lost, np.broadcast_to(np.linspace(1, 0.7, 100), lost.shape), rtol=1e-12)


def test_a_movie_flickers_too():
    calm = replace(PLAIN, frames=12, hot_pixels=0.0, drift_px=0.0)
    still, flickering = (
        np.array([frame.mean() for frame in movie_frames(make_culture(replace(calm, flicker=each)))])
        for each in (0.0, 0.05)
    )
    np.testing.assert_allclose(flickering / still, lamp(replace(calm, flicker=0.05)), rtol=2e-3)


def test_cross_talk_gives_a_share_of_the_neighbours_light(plain):
    light, mixed = np.exp(plain.intensity), np.exp(with_optics(plain, crosstalk=0.05).intensity)
    for row in range(36):
        expected = 0.95 * light[row] + 0.05 * light[neighbours(plain, row)].mean(axis=0)
        np.testing.assert_allclose(mixed[row], expected, rtol=1e-12)


def test_glow_gives_a_share_of_the_light_of_all(plain):
    light, mixed = np.exp(plain.intensity), np.exp(with_optics(plain, glow=0.1).intensity)
    np.testing.assert_allclose(mixed, 0.9 * light + 0.1 * light.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("size", [0.03, 0.3])
def test_brightness_drifts_slowly_and_apart(plain, size):
    drift = with_optics(plain, brightness_drift=size).intensity - plain.intensity
    assert drift.std() == pytest.approx(size, rel=0.3)
    assert np.abs(np.diff(drift, axis=1)).max() < 0.25 * size
    like = np.corrcoef(drift)[np.triu_indices(36, 1)]
    assert abs(like.mean()) < 0.15
    assert np.ptp(drift, axis=1).min() > 0.5 * size


def test_blurred_light_falls_on_the_neighbours_and_none_is_lost():
    options = SyntheticOptions(cells=16, frames=2, size_px=128, drift_px=0, hot_pixels=0, read_noise=0, seed=4)
    sharp, blurred = (
        np.array(list(movie_frames(make_culture(replace(options, blur_px=blur)))), float) for blur in (0.0, 3.0)
    )
    assert blurred.mean() == pytest.approx(sharp.mean(), rel=0.01)
    steps = [np.abs(np.diff(movie, axis=2)).mean() for movie in (sharp, blurred)]
    assert steps[1] < steps[0]
    assert not np.array_equal(sharp, blurred)
