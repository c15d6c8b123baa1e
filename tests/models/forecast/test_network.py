"""Message passing over contacts: it adds nothing before it is trained, helps where waves run, and earns its share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from calcigraph.errors import InputError
from calcigraph.models import forecast_run
from calcigraph.models.forecast import network
from calcigraph.models.forecast_options import ForecastOptions
from calcigraph.models.forecast_run import Lesson, lesson, make_forecast
from calcigraph.models.synthetic.excitable import make_waves
from calcigraph.models.synthetic.wave_options import WaveOptions

torch = pytest.importorskip("torch")
GRAPH = ForecastOptions(ahead=3, exchanges=19, model="graph")
HINGE = replace(GRAPH, model="hinge")


@pytest.fixture(scope="module")
def lessons() -> Iterator[list[Lesson]]:
    waves = WaveOptions(cells=36, frames=220, size_px=300, waves=10, own_rate=1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield [lesson(make_waves(replace(waves, seed=40 + seed)).graph, GRAPH) for seed in range(4)]
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_exchanges(monkeypatch: pytest.MonkeyPatch) -> None:
    """What contacts add to the regression is not asked here."""
    monkeypatch.setattr(forecast_run, "contact_gain", lambda *_: None)


def test_neighbours_are_used_where_waves_run(lessons: list[Lesson], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "MOST_EPOCHS", 12)
    own, *others = lessons
    alone, beside = (make_forecast(own, others, options) for options in (HINGE, GRAPH))
    assert beside.skill.mean() > alone.skill.mean() + 0.003
    assert np.abs(beside.expected - alone.expected).max() > 0
    assert all(0 < share <= 1 for share in beside.facts["share_of_network"])
    assert beside.facts["epochs"] <= 12
    assert beside.settings_hash != alone.settings_hash


def test_an_untrained_network_adds_nothing(lessons: list[Lesson], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "MOST_EPOCHS", 0)
    own, *others = lessons
    alone, beside = (make_forecast(own, others, options) for options in (HINGE, GRAPH))
    assert np.array_equal(alone.skill, beside.skill)
    assert beside.facts["share_of_network"] == [0.0, 0.0, 0.0]


def test_what_it_cannot_do_is_told(lessons: list[Lesson], monkeypatch: pytest.MonkeyPatch) -> None:
    own, *others = lessons
    with pytest.raises(InputError, match="there are 2; name 3 or more with --train"):
        make_forecast(own, others[:2], GRAPH)
    monkeypatch.setattr(network, "MOST_CELLS", 30)
    with pytest.raises(InputError, match="up to 30 cells, not 36; use --model hinge"):
        make_forecast(own, others, GRAPH)
    with pytest.raises(InputError, match="--model is tree; there are hinge, graph"):
        ForecastOptions(model="tree")
