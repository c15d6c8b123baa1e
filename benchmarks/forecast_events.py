"""Forecasts of events in recordings that were held out, by a logistic regression, by boosted trees, and by both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from calcigraph.models.forecast.lighting import area_under_curve, learnable, own_chances
from calcigraph.models.forecast.logit import learn
from calcigraph.models.forecast_run import Lesson
from calcigraph.store.types import BoolArray, FloatArray

Row = dict[str, object]
Chance = Callable[[FloatArray], FloatArray]
LOGIT, TREES, BOTH = "logistic regression", "boosted trees", "mean of both, log odds"
EVERY = 4
"""Of the rows, that the trees learn from: more makes them no better, only slower."""
DRAWS = 400


def of_events(lessons: Sequence[Lesson]) -> tuple[list[Row], list[Row]]:
    """One row a method, over all recordings; and of the regression the tenths of all frames."""
    told: dict[str, list[FloatArray]] = {LOGIT: [], TREES: [], BOTH: []}
    came = [learnable(each.past, each.where, each.where.held_out)[1] for each in lessons]
    for place, own in enumerate(lessons):
        for name, chances in chances_of(own, [each for at, each in enumerate(lessons) if at != place]):
            told[name].append(chances)
    rows = [{"method": name} | judged(lessons, each, came) for name, each in told.items()]
    return rows, tenths(np.concatenate(told[LOGIT]), np.concatenate(came))


def chances_of(own: Lesson, others: Sequence[Lesson]) -> Iterator[tuple[str, FloatArray]]:
    """What each method tells of the resting frames of the held-out part."""
    taught = [own.rows, *(rows for each in others for rows in (each.rows, each.later))]
    rows, after = (np.concatenate(each) for each in zip(*taught, strict=True))
    asked = learnable(own.past, own.where, own.where.held_out)[0]
    regression = learn(taught)
    assert regression is not None
    by_regression, by_trees = regression(asked), trees(rows[::EVERY], after[::EVERY])(asked)
    odds = (np.log(by_regression / (1 - by_regression)) + np.log(by_trees / (1 - by_trees))) / 2
    yield from ((LOGIT, by_regression), (TREES, by_trees), (BOTH, 1 / (1 + np.exp(-odds))))


def trees(rows: FloatArray, came: BoolArray) -> Chance:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.08, max_leaf_nodes=8, min_samples_leaf=100, l2_regularization=30.0,
        max_features=0.3, early_stopping=False, random_state=0,
    ).fit(rows, came)  # fmt: skip
    return lambda asked: np.clip(model.predict_proba(asked)[:, 1], 1e-6, 1 - 1e-6)


def judged(lessons: Sequence[Lesson], told: Sequence[FloatArray], came: Sequence[BoolArray]) -> Row:
    """Over all recordings: nats an event with its interval over cells, area under the curve, worst tenth."""
    gains = []
    for own, p, after in zip(lessons, told, came, strict=True):
        cell = np.nonzero(own.where.resting[:, own.where.held_out])[0]
        rate = own_chances(own.where)[cell]
        gained = np.where(after, np.log(p / rate), np.log1p(-p) - np.log1p(-rate))
        gains.append(np.bincount(cell, gained, len(own.past.values)) / own.where.ahead)
    gain, events = np.concatenate(gains), np.concatenate([each.where.events for each in lessons])
    drawn = np.random.default_rng(0).integers(len(gain), size=(DRAWS, len(gain)))
    low, high = np.quantile(gain[drawn].sum(axis=1) / events[drawn].sum(axis=1), (0.025, 0.975))
    areas = [area_under_curve(p, after) for p, after in zip(told, came, strict=True)]
    everything = np.concatenate(told), np.concatenate(came)
    worst = max(abs(float(row["told"]) - float(row["came"])) for row in tenths(*everything))  # type: ignore[arg-type]
    return {
        "events": int(events.sum()), "nats": float(gain.sum() / events.sum()), "nats_low": float(low),
        "nats_high": float(high), "auroc": area_under_curve(*everything),
        "auroc_mean": float(np.average(areas, weights=[each.where.events.sum() for each in lessons])),
        "calibration": worst,
    }  # fmt: skip


def tenths(told: FloatArray, came: BoolArray) -> list[Row]:
    """From the tenth of the frames that were told the least to that which was told the most."""
    parts = np.array_split(np.argsort(told, kind="stable"), 10)
    return [
        {"tenth": at, "told": float(told[part].mean()), "came": float(came[part].mean())}
        for at, part in enumerate(parts, start=1)
    ]
