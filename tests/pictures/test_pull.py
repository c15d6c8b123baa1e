"""What a picture is drawn from: pulled from the graph as the latest fit left it, and no more than it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calcigraph import queries
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.pull import picture_data
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
