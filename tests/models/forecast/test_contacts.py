"""What contacts add is what plain regressions give, and other cultures teach it without harm."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit

from calcigraph.models.forecast.contact_events import contact_nats, event_lesson
from calcigraph.models.forecast.contacts import HELP, PARTS, RIDGE, contact_gain, contact_lesson
from calcigraph.models.forecast.lighting import Rests, Rises, rests
from calcigraph.models.forecast.logit import Logit, Taught, learn, pooled, teaching
from calcigraph.models.forecast.neighbours import AHEAD, told_by
from calcigraph.models.forecast.past import LAGS, Past, past_of
from calcigraph.models.forecast.ridge import coming, penalised
from calcigraph.models.synthetic.excitable import ExcitableCulture, make_waves
from calcigraph.models.synthetic.wave_options import WaveOptions
from calcigraph.store.types import FloatArray

FEW = WaveOptions(cells=64, size_px=400, waves=4, own_rate=3)
TAUGHT = 3


def medium(seed: int, **changes: float) -> tuple[ExcitableCulture, Past, Rests]:
    """A culture, its past, and where its cells truly rest."""
    culture = make_waves(replace(FEW, seed=seed, **changes))  # type: ignore[arg-type]
    true = culture.events
    rises = Rises(true.label, true.half_s, true.half_s + 100.0)
    past = past_of(culture.graph)
    return culture, past, rests(past, rises, culture.graph.labels, culture.graph.frame_times, 5)


def lessons(**changes: float) -> tuple[list[Taught], list[Taught]]:
    """What cultures teach of traces and of events."""
    made = [medium(500 + at, **changes) for at in range(TAUGHT)]
    traces = [contact_lesson(past, culture.graph.pairs) for culture, past, _ in made]
    events = [event_lesson(past, where, culture.graph.pairs) for culture, past, where in made]
    return [each for each in traces if each is not None], [each for each in events if each is not None]


@pytest.fixture(scope="module")
def coupled() -> tuple[list[Taught], list[Taught]]:
    return lessons(waves=12)


@pytest.fixture(scope="module")
def uncoupled() -> tuple[list[Taught], list[Taught]]:
    return lessons(waves=0)


def test_the_gain_is_that_of_plain_regressions_on_everything() -> None:
    culture, past, _ = medium(1, waves=12)
    own = np.concatenate([features for _, features in past.blocks()])
    told = told_by(past, culture.graph.pairs)
    edges = np.linspace(LAGS, past.values.shape[1] - AHEAD, PARTS + 1).astype(int)
    spans = [slice(*span) for span in pairwise(edges)]
    came = [coming(past, slice(None), span, (AHEAD,))[..., 0].ravel() for span in spans]

    def error(whole: bool) -> float:
        rows = [own[:, span].reshape(-1, own.shape[-1]) for span in spans]
        more = [told[:, span].reshape(-1, told.shape[-1]) for span in spans]
        missed = 0.0
        for place in range(PARTS):
            rest = [at for at in range(PARTS) if at != place]
            known, after = np.concatenate([rows[at] for at in rest]), np.concatenate([came[at] for at in rest])
            gram, judged = penalised(known.T @ known), rows[place]
            if whole:
                beside = np.concatenate([more[at] for at in rest])
                left = beside.T @ beside - beside.T @ known @ np.linalg.solve(gram, known.T @ beside)
                corner = beside.T @ beside + RIDGE * np.diag(np.diag(left))
                gram = np.block([[gram, known.T @ beside], [beside.T @ known, corner]])
                known, judged = np.concatenate([known, beside], axis=1), np.concatenate([judged, more[place]], axis=1)
            missed += float(((came[place] - judged @ np.linalg.solve(gram, known.T @ after)) ** 2).sum())
        return missed

    found = contact_gain(past, culture.graph.pairs, 1, np.random.default_rng(0))
    assert found is not None
    assert found.gain == pytest.approx(1 - error(True) / error(False), rel=2e-3)


def test_others_teach_what_a_culture_of_few_waves_cannot() -> None:
    gains, nats, coupled = [], [], lessons()
    for seed in range(2):
        culture, past, where = medium(seed)
        pairs = culture.graph.pairs
        found = [contact_gain(past, pairs, 1, np.random.default_rng(0), taught=each) for each in ((), coupled[0])]
        gains.append([each.gain for each in found if each is not None])
        told = [contact_nats(past, where, pairs, each) for each in ((), coupled[1])]
        nats.append([each for each in told if each is not None])
    assert np.mean(gains, axis=0)[1] > np.mean(gains, axis=0)[0] + 0.001
    assert np.mean(nats, axis=0)[1] > np.mean(nats, axis=0)[0] + 0.01


def test_cultures_unlike_it_do_a_culture_no_harm(
    coupled: tuple[list[Taught], list[Taught]], uncoupled: tuple[list[Taught], list[Taught]]
) -> None:
    for culture, past, where, others in (
        (*medium(21, waves=12), uncoupled),
        (*medium(22, waves=0), coupled),
    ):
        pairs = culture.graph.pairs
        alone, taught = (
            contact_gain(past, pairs, 19, np.random.default_rng(0), taught=each) for each in ((), others[0])
        )
        assert alone is not None
        assert taught is not None
        assert taught.gain == pytest.approx(alone.gain, abs=0.003)
        assert (taught.word == HELP) == (culture.options.waves > 0)
        nats = [contact_nats(past, where, pairs, each) for each in ((), others[1])]
        assert nats[1] == pytest.approx(nats[0], abs=0.05)


def test_what_one_half_teaches_serves_the_other_as_if_it_were_there() -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((8000, 4)) * [1.0, 2.0, 0.5, 1.0]
    came = rng.random(8000) < expit(rows @ [1.0, -0.5, 1.0, 0.5] - 1)
    first, second = (rows[:4000], came[:4000]), (rows[4000:], came[4000:])
    whole, one = learn([first, second]), learn([first])
    assert whole is not None
    assert one is not None
    taught = learn([second], pooled([teaching(one, first, 2)], 1.0))
    assert taught is not None
    assert last(taught) == pytest.approx(last(whole), abs=0.02)
    assert np.abs(last(one) - last(whole)).max() > 0.02
    twice = pooled([Taught(np.eye(1), np.ones(1)), Taught(3 * np.eye(1), np.zeros(1))], 2.0)
    assert (twice.gram.item(), twice.products.item()) == (4.0, 1.0)


def last(found: Logit) -> FloatArray:
    """Weights of the last two features, as they are."""
    return found.weights[-3:-1] / found.deviation[-2:]
