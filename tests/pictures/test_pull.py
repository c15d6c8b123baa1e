"""What a picture is drawn from: pulled from the graph as the latest fit left it, and no more than it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calcigraph import queries
from calcigraph.errors import NotFoundError
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.pull import picture_data
from calcigraph.store.event_types import EventRun, Wave
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit

CREATED = "2026-01-02T03:04:05+00:00"
BLOCK = {
    "epoch": [0, 2, 4],
    "data_loss": [0.1, 0.1, 0.5],
    "physics_loss": [1.0, 0.5, 0.25],
    "k": [[0.01, 0.02, 0.03], [0.01, 0.015, 0.029]],
    "feed": [0.0, 1e-5, 2e-5],
}


@pytest.fixture(scope="module")
def fitted(empty: Graph, make_culture: Callable[..., CultureData], make_fit: Callable[..., Fit]) -> Graph:
    """A culture fitted by pinn on 8 of its 12 frames, and by robust."""
    data = make_culture("dish")
    empty.write_culture(data)
    inner = int((~data.cells.border).sum())
    curves: dict[str, Any] = {"blocks": [BLOCK], "traces": [[0.1 * row] * 8 for row in range(inner)]}
    values = {"k_low": 0.029, "k_high": 0.031, "feed_low": -1e-5, "feed_high": 3e-5}
    empty.write_fit(make_fit(data, model="pinn", k=0.03, curves=curves, **values), CREATED, "0.1.0")
    empty.write_fit(make_fit(data, model="robust"), CREATED, "0.1.0")
    return empty


def pulled(graph: Graph, kind: str, model: str) -> PictureData:
    about = graph.culture("dish")
    assert about is not None
    return picture_data(graph, about, None, kind, model, 0)


def test_a_training_comes_back_with_intervals_and_the_networks_traces(fitted: Graph) -> None:
    data = pulled(fitted, "traces", "pinn")
    (block,) = data.training
    assert block.k.tolist() == BLOCK["k"]
    assert (block.epoch.tolist(), block.physics_loss.tolist()) == (BLOCK["epoch"], BLOCK["physics_loss"])
    assert block.held == 2
    assert data.k_interval == (0.029, 0.031)
    assert data.feed_interval == (-1e-5, 3e-5)
    inner = data.subgraph.labels[~data.subgraph.border].tolist()
    assert list(data.network) == list(data.traces) == inner
    for row, label in enumerate(inner):
        np.testing.assert_array_equal(data.network[label][:8], 0.1 * row)
        assert np.isnan(data.network[label][8:]).all()


def test_other_kinds_and_models_pull_no_training(fitted: Graph) -> None:
    training = pulled(fitted, "training", "pinn")
    assert training.training
    assert not training.traces
    parameters = pulled(fitted, "parameters", "pinn")
    assert (parameters.training, parameters.network, parameters.traces) == ((), {}, {})
    robust = pulled(fitted, "traces", "robust")
    assert robust.traces
    assert (robust.training, robust.network) == ((), {})
    assert robust.k_interval is None


def test_the_text_behind_it_is_not_a_question_of_its_own() -> None:
    assert "curves" not in queries.names()
    assert queries.load("curves").description.endswith(".")


def test_events_links_and_waves_come_back(
    empty: Graph,
    make_culture: Callable[..., CultureData],
    make_event_run: Callable[..., EventRun],
    make_wave: Callable[..., Wave],
) -> None:
    data = make_culture("acting", frames=100)
    wave = make_wave([0, 2, 3], starts=[7, 13], duration_s=40.0, speed_low_px_s=1.5, speed_high_px_s=2.5)
    flash = make_wave([1], kind="flash", speed=None, radial=None, origin_x_px=None, onset_s=300.0)
    run = make_event_run(data, {7: [100, 300], 10: [120], 13: [140]}, waves=[wave, flash], links=[(0, 2), (2, 3)])
    empty.write_culture(data)
    about = empty.culture("acting")
    assert about is not None
    with pytest.raises(NotFoundError, match="run `calcigraph events acting`"):
        picture_data(empty, about, None, "events", "robust", 0)
    empty.write_events(run, np.zeros((30, 100)), CREATED, "0.1.0")
    pulled = picture_data(empty, about, None, "waves", "robust", 0, wave=1)
    firing = pulled.firing
    assert firing is not None
    assert pulled.wave == 1
    for name, column in vars(run.events).items():
        np.testing.assert_array_equal(getattr(firing.events, name), column)
    for name, column in vars(run.links).items():
        np.testing.assert_array_equal(getattr(firing.links, name), column)
    assert firing.labels.tolist() == data.cells.labels.tolist()
    for one, other in zip(firing.waves, run.waves, strict=True):
        assert one.events.tolist() == other.events.tolist()
        assert one.starts.tolist() == other.starts.tolist()
        assert vars(one) | {"events": 0, "starts": 0} == vars(other) | {"events": 0, "starts": 0}
    assert picture_data(empty, about, None, "cells", "robust", 0).firing is None
