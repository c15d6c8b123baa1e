"""Planted waves are what their truth says: who fires, when, set off by whom."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from calcigraph.errors import InputError
from calcigraph.models.synthetic.excitable import WaveOptions, event_course, half_rise, make_waves

ONE = WaveOptions(cells=60, size_px=384, waves=1, own_rate=0, failure=0, jitter=0, reach_low_px=1e4, reach_high_px=1e4)


def ways(culture, start):
    """(n,), the shortest way over contacts from a cell."""
    graph, size = culture.graph, len(culture.graph.labels)
    contacts = coo_matrix((graph.centroid_distance_px, graph.pairs.T), shape=(size, size)).tocsr()
    return dijkstra(contacts, directed=False, indices=int(np.searchsorted(graph.labels, start)))


def test_a_wave_runs_along_contacts_at_its_speed():
    culture = make_waves(replace(ONE, seed=4))
    (wave,), events = culture.waves, culture.events
    assert len(events) == len(culture.graph.labels) == len(wave.labels)
    away = ways(culture, wave.starts[0])
    np.testing.assert_allclose(events.onset_s, wave.start_s + away / wave.speed_px_s, atol=1e-6)


def test_jitter_and_failure():
    culture = make_waves(replace(ONE, jitter=0.3, failure=0.3, seed=5))
    (wave,) = culture.waves
    assert 0.4 * 60 < len(wave.labels) < 0.9 * 60
    assert culture.events.onset_s.min() == wave.start_s
    # Every cell but the first follows a cell in contact with it.
    graph, row = culture.graph, np.searchsorted(culture.graph.labels, culture.events.label)
    onset = np.full(60, np.inf)
    onset[row] = culture.events.onset_s
    for cell in row[culture.events.onset_s > wave.start_s].tolist():
        pairs = graph.pairs[(graph.pairs == cell).any(axis=1)]
        assert onset[pairs[pairs != cell]].min() < onset[cell]


def test_waves_that_meet_do_not_pass_each_other():
    culture = make_waves(replace(ONE, waves=0, collisions=1, seed=6))
    one, two = culture.waves
    assert not set(one.labels.tolist()) & set(two.labels.tolist())
    nearer = ways(culture, one.starts[0]) + (one.start_s - two.start_s) * one.speed_px_s < ways(culture, two.starts[0])
    first = np.isin(culture.graph.labels, one.labels)
    assert np.mean(first == nearer) > 0.97


def test_planes_flashes_and_own_events():
    culture = make_waves(replace(ONE, waves=0, planes=1, flashes=1, own_rate=6, seed=8))
    kinds = {wave.kind: wave for wave in culture.waves}
    plane, flash = kinds["wave"], kinds["flash"]
    assert plane.direction_deg is not None
    assert len(plane.starts) > 2
    assert flash.speed_px_s == np.inf
    assert len(flash.starts) == 0
    inside = culture.events.wave == culture.waves.index(flash)
    assert culture.events.onset_s[inside].std() < 4
    graph = culture.graph
    row = np.searchsorted(graph.labels, culture.events.label[culture.events.wave == culture.waves.index(plane)])
    angle = np.radians(plane.direction_deg)
    along = np.cos(angle) * graph.x_px[row] + np.sin(angle) * graph.y_px[row]
    onset = culture.events.onset_s[culture.events.wave == culture.waves.index(plane)]
    assert np.corrcoef(along, onset)[0, 1] > 0.97
    rate = (culture.events.wave < 0).sum() / 60
    assert 3.5 < rate < 7


def test_cells_rest_after_an_event():
    events = make_waves(replace(ONE, waves=4, own_rate=30, refractory_s=90, seed=9)).events
    same = np.diff(events.label) == 0
    assert np.diff(events.onset_s)[same].min() >= 90


@pytest.mark.parametrize("shape", ["exponential", "gaussian", "square"])
def test_traces_show_the_events(shape):
    options = replace(
        ONE, shape=shape, snr=1e4, drift=0, amplitude_spread=0, shape_spread=0, frame_interval_s=1, frames=900
    )
    culture = make_waves(replace(options, seed=10))
    row = int(np.searchsorted(culture.graph.labels, culture.events.label[5]))
    trace = culture.graph.intensity[row] - 1
    assert trace.max() == pytest.approx(0.3, rel=0.02)
    half = np.flatnonzero(trace > 0.15)[0]
    assert abs(half - culture.events.half_s[5]) < 1.0
    time = np.linspace(0, 200, 20001)
    course = event_course(shape, time, 10, 60)
    assert course.max() == pytest.approx(1, abs=1e-4)
    if shape != "square":
        assert time[np.argmax(course >= 0.5)] == pytest.approx(half_rise(shape, 10, 60), abs=0.02)


def test_the_seed_decides_and_noise_moves_no_event():
    options = WaveOptions(cells=30, size_px=256, frames=100, seed=3)
    one, again, loud = make_waves(options), make_waves(options), make_waves(replace(options, snr=2))
    np.testing.assert_array_equal(one.graph.intensity, again.graph.intensity)
    np.testing.assert_array_equal(one.events.onset_s, loud.events.onset_s)
    assert not np.array_equal(one.graph.intensity, loud.graph.intensity)
    truth = json.loads(json.dumps(one.truth()))
    assert len(truth["events"]) == len(one.events)
    assert [wave["kind"] for wave in truth["waves"]] == [wave.kind for wave in one.waves]


@pytest.mark.parametrize("bad", [{"cells": 1}, {"shape": "round"}, {"speed_low_px_s": 9.0}, {"failure": 1.5}])
def test_options_that_make_no_sense(bad):
    with pytest.raises(InputError):
        WaveOptions(**bad)
