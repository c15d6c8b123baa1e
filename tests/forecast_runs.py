"""A forecast for tests of the graph, made by hand."""

from __future__ import annotations

import numpy as np

from calcigraph.store.forecast_types import ForecastRun
from calcigraph.store.types import IntArray


def build_forecast(culture: str, labels: IntArray, *, ahead: int = 5, trained_on: tuple[str, ...] = ()) -> ForecastRun:
    """A forecast in which every number tells where it belongs; the first cell is lit and never changed."""
    skills = np.add.outer(labels / 1000, np.arange(ahead) / 10)
    skills[0] = np.nan
    probability = labels / (labels.max() + 1)
    probability[0] = np.nan
    return ForecastRun(
        culture=culture,
        settings={"ahead": ahead, "seed": 0},
        trained_on=trained_on,
        labels=labels,
        skill=np.arange(ahead) / 10,
        rival=("persistence",) * ahead,
        held=np.full(ahead, 0.95),
        skills=skills,
        expected=skills + 1,
        expected_low=skills,
        expected_high=skills + 2,
        noise_ratio=labels / 100,
        within_s=50.0,
        probability=probability,
        nats=0.2,
        nats_low=0.1,
        nats_high=0.3,
        nats_of_cells=labels / 50,
        auroc=0.7,
        told=np.arange(10) / 20,
        came=np.arange(10) / 25,
        contact_gain=0.02,
        contact_gain_by_chance=0.001,
        contact_p=0.005,
        contact_nats=0.1,
        contact_word="contacts help",
        facts={"logarithm": False},
        advice=("one", "two"),
    )
