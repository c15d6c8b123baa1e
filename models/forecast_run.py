"""A forecast of a culture: how its traces go on, which cells light up next, and what the contacts add to that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.models.even import at_even_frames
from calcigraph.models.events import detect_events
from calcigraph.models.forecast.contact_events import contact_nats, event_lesson
from calcigraph.models.forecast.contacts import UNKNOWN, contact_gain, contact_lesson
from calcigraph.models.forecast.lighting import (
    MOST_ROWS,
    Lighting,
    Rests,
    Rises,
    forecast_lighting,
    learnable,
    rests,
    thinned,
)
from calcigraph.models.forecast.logit import Taught
from calcigraph.models.forecast.network import additions, known, train
from calcigraph.models.forecast.past import Past, past_of
from calcigraph.models.forecast.ridge import Moments, Weights, fitted, moments_of
from calcigraph.models.forecast.skill import RIVALS, Skill, skill_of
from calcigraph.models.forecast_options import ForecastOptions
from calcigraph.store.forecast_types import ForecastRun
from calcigraph.store.types import BoolArray, FloatArray, Progress, Subgraph, silent

FEWEST_FRAMES = 100
"""With fewer, hardly anything is left to learn from and to judge by."""
FRAMES_AHEAD = 5
"""Frames within which cells may light up, by default."""
WORST_HELD = 0.85
"""Share of values in 95 % intervals below which the user is told."""


@dataclass(frozen=True)
class Lesson:
    """What is learnt from one culture, for itself and for others; made by `lesson`."""

    graph: Subgraph
    past: Past
    moments: Moments
    where: Rests
    rows: tuple[FloatArray, BoolArray]
    """Features of resting cells and what came, in the part that may be learnt from."""
    later: tuple[FloatArray, BoolArray]
    """The same of the rest, which other cultures learn from."""

    @cached_property
    def contacts(self) -> Taught | None:
        """What it teaches others of what neighbours tell of traces; None without contacts."""
        return contact_lesson(self.past, self.graph.pairs)

    @cached_property
    def contact_events(self) -> Taught | None:
        """The same of events; None where hardly anything lights up."""
        return event_lesson(self.past, self.where, self.graph.pairs)


def lesson(
    graph: Subgraph, options: ForecastOptions, events: Rises | None = None, most_rows: int = MOST_ROWS
) -> Lesson:
    """Read a culture once, for a forecast of it and of others.

    Parameters
    ----------
    graph
        The culture.
    options
        The horizons, and the seconds within which cells may light up.
    events
        Its events; None: they are looked for here.
    most_rows
        Frames of resting cells that are kept to learn events from.

    Raises
    ------
    InputError
        Too few frames, values that are no numbers.
    FitError
        Frames that are not evenly spaced.
    """
    frames = graph.intensity.shape[1]
    if frames < FEWEST_FRAMES:
        raise InputError(f"{graph.culture} has {frames} frames; a forecast needs at least {FEWEST_FRAMES}")
    if not np.isfinite(graph.intensity).all():
        raise InputError(f"traces of {graph.culture} have missing values; a forecast needs complete traces")
    if events is None:
        detected = detect_events(graph).events
        events = Rises(detected.label, detected.half_s, detected.end_s)
    graph = at_even_frames(graph).subgraph
    past = past_of(graph)
    if past.still.all():
        raise InputError(
            f"no trace of {graph.culture} changes in its first three quarters; there is nothing to learn from"
        )
    where = rests(past, events, graph.labels, graph.frame_times, _frames(graph, options))
    rows, later = (thinned(*learnable(past, where, part), most_rows) for part in (where.learnt, where.later))
    return Lesson(
        graph=graph, past=past, moments=moments_of(past, options.horizons), where=where, rows=rows, later=later
    )


def make_forecast(
    own: Lesson, others: Sequence[Lesson], options: ForecastOptions, progress: Progress = silent
) -> ForecastRun:
    """Forecast a culture.

    Traces: ridge regression on the last 16 frames, long means, hinges, the cells' own events and the culture's mean,
    for each horizon by itself. It is learnt from the first three quarters of the culture and from the others, and
    judged in the last quarter. With the model `graph`, a network over contacts adds to it. Events: a logistic
    regression on the same features. Contacts: `contact_gain`; the others teach what neighbours tell, too.

    Parameters
    ----------
    own
        The culture.
    others
        Cultures that are learnt from beside it.
    options
        As for `lesson`.
    progress
        Called as progress(stage, done, total).

    Examples
    --------
    >>> from calcigraph.models.synthetic.excitable import make_waves
    >>> from calcigraph.models.synthetic.wave_options import WaveOptions
    >>> options = ForecastOptions(ahead=2, exchanges=19)
    >>> culture = make_waves(WaveOptions(cells=36, frames=200, size_px=300, waves=6))
    >>> run = make_forecast(lesson(culture.graph, options), [], options)
    >>> run.skill.shape, run.probability.shape, len(run.told)
    ((2,), (36,), 10)
    """
    past, labels = own.past, own.graph.labels
    weights = fitted(own.moments, [each.moments for each in others])
    added, facts = _of_network(own, others, weights, options, progress) if options.model == "graph" else (None, {})
    skill = skill_of(past, weights, options.horizons, added)
    expected, low, high = _next(past, skill)
    taught = [own.rows, *(rows for each in others for rows in (each.rows, each.later))]
    lighting = forecast_lighting(past, own.where, taught)
    traces = [each.contacts for each in others if each.contacts is not None]
    events = [each.contact_events for each in others if each.contact_events is not None]
    rng = np.random.default_rng(options.seed)
    gained = contact_gain(past, own.graph.pairs, options.exchanges, rng, progress, traces)
    nothing = np.full(len(labels), np.nan)
    return ForecastRun(
        culture=own.graph.culture,
        settings=asdict(options),
        trained_on=tuple(each.graph.culture for each in others),
        labels=labels,
        skill=skill.culture,
        rival=tuple(RIVALS[place] for place in skill.best),
        held=skill.held,
        skills=skill.cells,
        expected=expected,
        expected_low=low,
        expected_high=high,
        noise_ratio=past.noise[:, 0],
        within_s=own.where.ahead * past.frame_interval_s,
        probability=nothing if lighting is None else lighting.now,
        nats=None if lighting is None else _known(lighting.nats),
        nats_low=None if lighting is None else _known(lighting.nats_low),
        nats_high=None if lighting is None else _known(lighting.nats_high),
        nats_of_cells=nothing if lighting is None else lighting.cells,
        auroc=None if lighting is None else _known(lighting.auroc),
        told=np.zeros(0) if lighting is None else lighting.told,
        came=np.zeros(0) if lighting is None else lighting.came,
        contact_gain=None if gained is None else gained.gain,
        contact_gain_by_chance=None if gained is None else gained.by_chance,
        contact_p=None if gained is None else gained.p,
        contact_nats=None if gained is None else contact_nats(past, own.where, own.graph.pairs, events),
        contact_word=UNKNOWN if gained is None else gained.word,
        facts={"logarithm": past.logarithm, "strength_of_others": weights.strength, "ridge": weights.ridge} | facts,
        advice=_advice(own, skill, lighting),
    )


def _of_network(
    own: Lesson, others: Sequence[Lesson], weights: Weights, options: ForecastOptions, progress: Progress
) -> tuple[FloatArray, dict[str, Any]]:
    """What a network over contacts adds, trained with the other cultures, and facts of it."""
    cultures = [known(each.past, each.graph.pairs, options.horizons, each.moments) for each in others]
    network, epochs = train(cultures, options.seed, progress)
    added, share = additions(network, own.past, own.graph.pairs, weights)
    return added, {"epochs": epochs, "share_of_network": share.tolist()}


def _frames(graph: Subgraph, options: ForecastOptions) -> int:
    if options.within_s is None:
        return FRAMES_AHEAD
    ahead = round(options.within_s / graph.frame_interval_s)
    longest = int(graph.intensity.shape[1] * 0.1)
    if not 1 <= ahead <= longest:
        raise InputError(
            f"--within is {options.within_s:g} s; {graph.culture} allows {graph.frame_interval_s:g} (one frame) to "
            f"{longest * graph.frame_interval_s:g} s (a tenth of the recording)"
        )
    return ahead


def _next(past: Past, skill: Skill) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(n, H) each: what is expected after the last frame, with its interval, in the units of the traces."""
    low, high = skill.coming + skill.missed
    return past.in_units(skill.coming), past.in_units(low), past.in_units(high)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _advice(own: Lesson, skill: Skill, lighting: Lighting | None) -> tuple[str, ...]:
    told = []
    if (skill.held < WORST_HELD).any():
        worst = int(np.argmin(skill.held))
        told.append(
            f"only {skill.held[worst]:.0%} of the last quarter's values lie in their 95 % intervals "
            f"({worst + 1} frames ahead): the culture changed its behaviour, or has few events; "
            "train on other cultures too (--train)"
        )
    if lighting is None:
        told.append("hardly any cell lights up in what is learnt from, so there is no forecast of events")
    return tuple(told)
