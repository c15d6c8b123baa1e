"""The parts of a forecast: nothing of the future is known, sums are right, and what contacts add is told right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from calcigraph.errors import FitError, InputError
from calcigraph.models import SyntheticOptions, make_culture
from calcigraph.models.forecast.contact_events import contact_nats
from calcigraph.models.forecast.contacts import HELP, NOT, contact_gain
from calcigraph.models.forecast.lighting import (
    Rises,
    area_under_curve,
    forecast_lighting,
    learnable,
    own_chances,
    rests,
)
from calcigraph.models.forecast.logit import PENALTY, learn
from calcigraph.models.forecast.neighbours import TOLD, told_by
from calcigraph.models.forecast.past import LAGS, Past, forgetting_mean, past_of, resting_level
from calcigraph.models.forecast.past_events import COUNT, history
from calcigraph.models.forecast.ridge import LEAST_SQUARE, RIDGE, coming, fitted, moments_of, solved
from calcigraph.models.forecast.skill import RIVALS, skill_of
from calcigraph.models.forecast_options import ForecastOptions
from calcigraph.models.forecast_run import lesson, make_forecast
from calcigraph.models.synthetic.excitable import ExcitableCulture, make_waves
from calcigraph.models.synthetic.wave_options import WaveOptions
from calcigraph.store.types import FloatArray, Subgraph

HORIZONS = (1, 3)
OF_WAVES = TOLD - 6
"""From here on what a cell is told follows from how waves run."""


@pytest.fixture(scope="module")
def culture() -> ExcitableCulture:
    return make_waves(WaveOptions(cells=49, frames=240, size_px=340, waves=8, own_rate=2, seed=3))


def features_of(past: Past) -> FloatArray:
    return np.concatenate([features for _, features in past.blocks()])


def autoregressive(cells: int = 30, frames: int = 400, seed: int = 0, keep: float = 0.9) -> Subgraph:
    """Each cell forgets by itself: what is known of it h frames ahead is keep^h of what it is now."""
    rng = np.random.default_rng(seed)
    traces = np.zeros((cells, frames + 100))
    for frame in range(1, frames + 100):
        traces[:, frame] = keep * traces[:, frame - 1] + rng.standard_normal(cells)
    pairs = np.array([[at, at + 1] for at in range(cells - 1)])
    return Subgraph(
        culture="noise",
        frame_interval_s=2.0,
        labels=np.arange(1, cells + 1),
        x_px=np.arange(cells) * 10.0,
        y_px=np.zeros(cells),
        border=np.zeros(cells, bool),
        intensity=traces[:, 100:],
        pairs=pairs,
        shared_border_px=np.full(len(pairs), np.nan),
        centroid_distance_px=np.full(len(pairs), 10.0),
    )


def test_features_know_nothing_of_what_comes(culture: ExcitableCulture) -> None:
    graph = replace(culture.graph, intensity_offset=0.0)
    whole = past_of(graph)
    other = graph.intensity.copy()
    other[:, 200:] = np.random.default_rng(0).normal(size=other[:, 200:].shape)  # scales are learnt from 180 frames
    changed = features_of(past_of(replace(graph, intensity=other)))
    same = features_of(whole)
    assert np.array_equal(changed[:, :200], same[:, :200])
    assert not np.array_equal(changed[:, 200:], same[:, 200:])


def test_events_that_have_not_ended_tell_nothing() -> None:
    resting = np.ones((3, 60), bool)
    resting[0, 20:30] = resting[1, 40:] = False
    found = history(resting)
    assert np.array_equal(found[:, 20:30], history(np.ones((3, 60), bool))[:, 20:30])
    assert found.shape == (3, 60, COUNT)
    assert found[0, 30, 0] > found[1, 30, 0]  # its own rate
    assert found[0, 31, 2] == pytest.approx(np.log(2))  # a frame ago
    assert np.array_equal(found[1, 45], found[2, 45])  # an event of cell 1 has begun and not ended


def test_features_come_in_blocks_that_make_no_difference(
    culture: ExcitableCulture, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = past_of(culture.graph)
    whole = features_of(past)
    monkeypatch.setattr("calcigraph.models.forecast.past.BLOCK_NUMBERS", 1)
    assert len(list(past.blocks())) == 49
    assert np.array_equal(features_of(past), whole)


def test_running_values() -> None:
    values = np.random.default_rng(1).normal(size=(2, 150))
    mean = forgetting_mean(values, 10)
    expected = values[:, :10].mean(axis=1)
    for frame in range(10, 150):
        expected = 0.9 * expected + 0.1 * values[:, frame]
    assert np.allclose(mean[:, -1], expected)
    assert np.allclose(mean[:, 4], values[:, :5].mean(axis=1))
    level = resting_level(values)
    assert np.allclose(level[:, 100], np.percentile(values[:, 40:101], 20, axis=1, method="lower"))


def test_brightness_is_forecast_by_its_logarithm_and_other_traces_as_they_are() -> None:
    graph = autoregressive()
    assert np.array_equal(past_of(graph).values, graph.intensity)
    light = replace(graph, intensity=np.exp(graph.intensity))
    assert past_of(light).logarithm
    assert np.allclose(past_of(light).in_units(past_of(light).values), light.intensity)
    assert not past_of(replace(light, intensity_offset=0.0)).logarithm


def test_moments_are_sums_over_what_may_be_learnt(culture: ExcitableCulture) -> None:
    past = past_of(culture.graph)
    found = moments_of(past, HORIZONS)
    rows = features_of(past)[:, LAGS : past.split - 3].reshape(-1, found.features.shape[1])
    came = coming(past, slice(None), slice(LAGS, past.split - 3), HORIZONS).reshape(-1, 2)
    gram, products = found.learnt().total
    assert np.allclose(gram, rows.T @ rows)
    assert np.allclose(products, rows.T @ came)
    assert found.learnt().rows.sum() == len(rows)
    weights = fitted(found, []).values
    assert np.allclose(solved(gram, products, fitted(found, []).ridge), weights)
    penalty = RIDGE * np.maximum(np.diag(gram), LEAST_SQUARE * gram[0, 0]) + 1e-12 * np.trace(gram)
    assert np.allclose((gram + np.diag(penalty)) @ solved(gram, products), products)


def test_nothing_of_the_last_quarter_is_learnt(culture: ExcitableCulture) -> None:
    other = culture.graph.intensity.copy()
    other[:, 180:] += 5.0
    changed = moments_of(past_of(replace(culture.graph, intensity=other)), HORIZONS)
    assert np.array_equal(fitted(changed, []).values, fitted(moments_of(past_of(culture.graph), HORIZONS), []).values)


def test_an_autoregression_is_forecast_as_well_as_can_be() -> None:
    """h frames ahead the error of the best forecast is 1 - keep^(2 h) of the variance, that of persistence more."""
    past = past_of(autoregressive(cells=60, frames=600))
    skill = skill_of(past, fitted(moments_of(past, HORIZONS), []), HORIZONS)
    error = skill.error.mean(axis=0)
    assert error == pytest.approx([1 - 0.9**2, 1 - 0.9**6], rel=0.1)
    persistence = skill.rivals[RIVALS.index("persistence")].mean(axis=0)
    assert persistence == pytest.approx([2 * (1 - 0.9), 2 * (1 - 0.9**3)], rel=0.1)
    assert skill.held == pytest.approx([0.95, 0.95], abs=0.03)
    assert (skill.culture < 0.2).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_short_recording_of_few_cells_is_not_forecast_wildly(seed: int) -> None:
    """Weights of what hardly moved in the learnt part once made errors of 200 times the variance."""
    rng, time = np.random.default_rng(seed), np.arange(150.0)
    traces = 100 + 5 * rng.normal(size=(8, 150))
    for trace in traces:
        for start in rng.integers(10, 140, 4):
            trace[start:] += 80 * np.exp(-(time[start:] - start) / 6)
    past = past_of(replace(autoregressive(8, 150), intensity=traces))
    skill = skill_of(past, fitted(moments_of(past, HORIZONS), []), HORIZONS)
    assert (skill.culture > -0.3).all()


def test_other_cultures_help_one_that_is_short() -> None:
    short, long = past_of(autoregressive(4, 110, seed=1)), past_of(autoregressive(60, 600, seed=2))
    own, other = moments_of(short, HORIZONS), moments_of(long, HORIZONS)
    alone, taught = (skill_of(short, fitted(own, others), HORIZONS) for others in ([], [other]))
    assert taught.error.mean() < alone.error.mean()
    assert fitted(own, [other]).strength is not None


def test_rests_and_coming_events() -> None:
    past = past_of(autoregressive(cells=2, frames=100))
    rises = Rises(np.array([1, 1]), np.array([20.5, 160.0]), np.array([41.0, 170.0]))
    found = rests(past, rises, np.array([1, 2]), 2.0 * np.arange(100), ahead=3)
    assert np.nonzero(~found.resting[0])[0].tolist() == [*range(11, 21), *range(80, 86)]
    assert np.nonzero(found.lights_up[0])[0].tolist() == [8, 9, 10, 77, 78, 79]
    assert found.resting[1].all()
    assert not found.lights_up[1].any()
    assert found.events.tolist() == [1, 0]
    chances = own_chances(found)
    assert chances[0] > chances[1] > 0


def test_waves_make_contacts_worth_knowing() -> None:
    options = ForecastOptions(ahead=2, exchanges=19)
    waves = make_waves(WaveOptions(waves=12, own_rate=1, seed=11))
    run = make_forecast(lesson(waves.graph, options), [], options)
    assert run.contact_word == HELP
    assert run.contact_p == pytest.approx(1 / 20)
    assert run.contact_nats is not None
    assert run.contact_nats > 0.05
    assert ((run.probability > 0) & (run.probability < 1) | np.isnan(run.probability)).all()
    assert (run.expected_low < run.expected).all()
    assert (run.expected < run.expected_high).all()


def test_contacts_of_independent_cells_do_not_help() -> None:
    words, chances = [], []
    for seed in range(12):
        past = past_of(autoregressive(cells=16, frames=150, seed=seed))
        pairs = autoregressive(cells=16, frames=150).pairs
        found = contact_gain(past, pairs, 19, np.random.default_rng(seed))
        assert found is not None
        words.append(found.word)
        chances.append(found.p)
    assert words.count(NOT) >= 9
    assert 0.3 < np.mean(chances) < 0.75


def test_exchanges_are_summed_together_as_well_as_one_by_one(
    culture: ExcitableCulture, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = past_of(culture.graph)
    together = contact_gain(past, culture.graph.pairs, 19, np.random.default_rng(0))
    monkeypatch.setattr("calcigraph.models.forecast.contacts.TOGETHER", 1)
    alone = contact_gain(past, culture.graph.pairs, 19, np.random.default_rng(0))
    assert together is not None
    assert alone is not None
    assert together.gain == pytest.approx(alone.gain, abs=1e-6)
    assert together.by_chance == pytest.approx(alone.by_chance, abs=1e-6)
    assert together.p == alone.p


def test_what_neighbours_tell_is_of_the_past_and_of_no_one_else(culture: ExcitableCulture) -> None:
    graph = replace(culture.graph, intensity_offset=0.0)
    told = told_by(past_of(graph), graph.pairs)
    assert told.shape == (49, 240, TOLD)
    later, other = graph.intensity.copy(), graph.intensity.copy()
    later[:, 200:] = np.random.default_rng(0).normal(size=later[:, 200:].shape)  # scales are learnt from 180 frames
    assert np.array_equal(told_by(past_of(replace(graph, intensity=later)), graph.pairs)[:, :200], told[:, :200])
    far = set(range(49)) - {7} - set(graph.pairs[(graph.pairs == 7).any(axis=1)].ravel().tolist())
    beyond = {one for pair in graph.pairs.tolist() for one in pair if set(pair) - far}
    other[7] += np.random.default_rng(0).normal(size=240)
    changed = told_by(past_of(replace(graph, intensity=other)), graph.pairs)
    rest = sorted(far - beyond)
    assert np.array_equal(changed[rest, :, :OF_WAVES], told[rest, :, :OF_WAVES])
    # What is due follows the delays of the whole culture, in which one cell counts little.
    assert changed[rest, :, OF_WAVES:] == pytest.approx(told[rest, :, OF_WAVES:], abs=0.2)


def test_intervals_hold_what_changes_from_one_part_of_a_recording_to_the_next() -> None:
    """Noise that comes and goes: a cell's own errors, all together, are narrower than those of its loudest part."""
    graph = autoregressive(cells=20, frames=600)
    loud = np.where(np.arange(600) // 50 % 3 == 0, 3.0, 1.0)
    past = past_of(replace(graph, intensity=graph.intensity * loud))
    skill = skill_of(past, fitted(moments_of(past, HORIZONS), []), HORIZONS)
    assert (skill.held > 0.94).all()
    expected = skill.coming[:, 0]
    assert (skill.missed[0, :, 0] < 0).all()
    assert (skill.missed[1, :, 0] > 0).all()
    assert np.isfinite(expected).all()


def test_what_cannot_be_told_of_contacts_is_none() -> None:
    graph = autoregressive(cells=7)
    assert contact_gain(past_of(graph), graph.pairs, 19, np.random.default_rng(0)) is None
    many = past_of(autoregressive())
    none = np.zeros((0, 2), np.int64)
    assert contact_gain(many, none, 19, np.random.default_rng(0)) is None
    rise = rests(
        many, Rises(np.array([1]), np.array([400.0]), np.array([410.0])), np.arange(1, 31), graph.frame_times, 5
    )
    assert contact_nats(many, rise, none) is None
    assert contact_nats(many, rise, graph.pairs) is None  # a single event teaches nothing
    assert forecast_lighting(many, rise, [learnable(many, rise, rise.learnt)]) is None


def test_the_regression_of_events_is_the_one_of_least_loss() -> None:
    """Newton's steps in single precision end where scipy's search in double precision does."""
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((3000, 6)) * [1, 5, 0.1, 1, 1, 0] + 3
    came = rng.random(3000) < expit(rows[:, 0] - 6 + 4 * (rows[:, 1] > 7))
    found = learn([(rows[:1000], came[:1000]), (rows[1000:], came[1000:])])
    assert found is not None
    deviation = np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1.0)
    ready = np.append(np.clip((rows - rows.mean(axis=0)) / deviation, -6, 6), np.ones((3000, 1)), axis=1)

    def loss(weights: FloatArray) -> float:
        odds = ready @ weights
        return float((np.logaddexp(0, odds) - came * odds).sum() + PENALTY / 2 * (weights[:-1] ** 2).sum())

    best = minimize(loss, np.zeros(7), tol=1e-10)
    assert found.weights == pytest.approx(best.x, abs=2e-4)
    assert found(rows) == pytest.approx(expit(ready @ best.x), abs=1e-4)
    assert learn([(rows[:30], came[:30])]) is None


def test_area_under_the_curve_counts_ties_by_half() -> None:
    assert area_under_curve(np.array([0.3, 0.3]), np.array([True, False])) == 0.5
    assert np.isnan(area_under_curve(np.array([0.3]), np.array([True])))


def test_what_cannot_be_forecast_is_refused() -> None:
    options = ForecastOptions()
    graph = autoregressive()
    with pytest.raises(InputError, match="has 50 frames; a forecast needs at least 100"):
        lesson(replace(graph, intensity=graph.intensity[:, :50]), options)
    holes = graph.intensity.copy()
    holes[0, 3] = np.nan
    with pytest.raises(InputError, match="missing values"):
        lesson(replace(graph, intensity=holes), options)
    with pytest.raises(InputError, match=r"--within is 1 s; noise allows 2 \(one frame\) to 80 s"):
        lesson(graph, ForecastOptions(within_s=0.9 + 0.1))
    uneven = np.cumsum(np.random.default_rng(0).uniform(1, 4, 400))
    with pytest.raises(FitError, match="needs even ones"):
        lesson(replace(graph, time_s=uneven - uneven[0]), options)
    with pytest.raises(InputError, match="--ahead is 31; give 1 to 30"):
        ForecastOptions(ahead=31)


def test_a_cell_that_is_still_where_it_is_learnt_does_not_spoil_the_others() -> None:
    """It once made errors of 300 times the variance, in units of a scale that was not known."""
    light = np.exp(autoregressive(10, 200).intensity)
    still = light.copy()
    still[2, :150] = 5.0
    past = past_of(replace(autoregressive(10, 200), intensity=still))
    skill = skill_of(past, fitted(moments_of(past, HORIZONS), []), HORIZONS)
    assert past.still.tolist() == [cell == 2 for cell in range(10)]
    assert np.isnan(skill.cells[2]).all()
    assert (skill.culture > -0.3).all()
    assert (skill.held > 0.8).all()
    with pytest.raises(InputError, match="no trace of noise changes in its first three quarters"):
        lesson(replace(autoregressive(10, 200), intensity=np.full((10, 200), 7.0)), ForecastOptions())


def test_a_flat_cell_is_forecast_as_flat() -> None:
    graph = make_culture(SyntheticOptions(cells=25, frames=120, size_px=200)).subgraph()
    flat = graph.intensity.copy()
    flat[0] = 0.25
    options = ForecastOptions(ahead=2, exchanges=19)
    run = make_forecast(lesson(replace(graph, intensity=flat), options), [], options)
    assert np.isnan(run.skills[0]).all()
    assert np.isfinite(run.skill).all()
    assert run.expected[0] == pytest.approx([0.25, 0.25])
    assert solved(np.eye(2), np.ones((2, 1))).shape == (2, 1)
