"""The run with the sources that a fit found: it recovers the sources of a simulation, and misses only noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcigraph.models import SyntheticOptions, make_culture
from calcigraph.models.consensus import operator, simulate_alone, sources_alone
from calcigraph.models.own_sources import noise_of, sourced_run
from calcigraph.store.types import Subgraph

K, LEAK, NOISE = 0.02, 0.004, 0.002
WEIGHTS = {"weights": "border"}


def with_sources(lasting: bool, noise: float = NOISE) -> tuple[Subgraph, np.ndarray, np.ndarray]:
    """A culture whose cells run alone with known sources, the rows of its inner cells, and those sources."""
    rng = np.random.default_rng(5)
    culture = make_culture(SyntheticOptions(cells=40, frames=240, size_px=256, spikes=0, seed=5)).subgraph()
    op = operator(culture, "border")
    own = np.zeros((len(op.inner), 239))
    if lasting:
        steps = rng.standard_normal(own.shape)
        for frame in range(1, 239):
            own[:, frame] = 0.9 * own[:, frame - 1] + 3e-4 * steps[:, frame]
    else:
        for row in own:
            row[rng.choice(np.arange(5, 230), 4, replace=False)] = 0.02
    smooth = culture.intensity - culture.intensity.mean(axis=1, keepdims=True)
    data = 0.1 * smooth + 0.5
    # Neighbours follow the data, so all cells are run in turn until they agree.
    for _ in range(60):
        data[op.inner] = simulate_alone(op, K, 0.002, data, 10.0, LEAK, own)
    data = data + noise * rng.standard_normal(data.shape)
    return replace(culture, intensity=data), op.inner, own


def test_sources_make_every_cell_run_along_its_data() -> None:
    culture, inner, own = with_sources(lasting=False, noise=0.0)
    op = operator(culture, "border")
    found = sources_alone(op, K, 0.002, culture.intensity, 10.0, LEAK)
    np.testing.assert_allclose(found, own, atol=1e-9)
    run = simulate_alone(op, K, 0.002, culture.intensity, 10.0, LEAK, found)
    np.testing.assert_allclose(run, culture.intensity[inner], atol=1e-12)


@pytest.mark.parametrize("lasting", [False, True])
def test_the_run_misses_noise_only(lasting: bool) -> None:
    culture, inner, own = with_sources(lasting)
    found = sourced_run(culture, WEIGHTS, K, 0.002, LEAK, lasting=lasting)
    np.testing.assert_array_equal(found.rows, inner)
    off = np.sqrt(((found.run - culture.intensity[inner]) ** 2).mean(axis=1))
    assert off.max() < 2.5 * NOISE
    assert np.median(found.noise) == pytest.approx(NOISE, rel=0.2)
    if lasting:
        assert np.median([np.corrcoef(one, true)[0, 1] for one, true in zip(found.own, own, strict=True)]) > 0.8
    else:
        np.testing.assert_allclose(found.own[own > 0], 0.02, atol=6 * NOISE / 10)
        assert np.mean(found.own[own == 0] == 0) > 0.6


@pytest.mark.parametrize("indicator", ["linear", "hill:3"])
def test_another_indicator_gives_runs_in_the_unit_of_the_traces(indicator: str) -> None:
    culture, inner, _ = with_sources(lasting=True)
    found = sourced_run(culture, WEIGHTS | {"indicator": indicator}, K, 0.0, LEAK, lasting=True)
    off = np.sqrt(((found.run - culture.intensity[inner]) ** 2).mean(axis=1))
    assert off.max() < 2.5 * NOISE


def test_what_flows_in_is_told_above_rest() -> None:
    culture, _, _ = with_sources(lasting=False)
    found = sourced_run(culture, WEIGHTS, K, 0.002, LEAK)
    pull = K * operator(culture, "border").apply(culture.intensity)
    between = (pull[:, 1:] + pull[:, :-1]) / 2
    np.testing.assert_allclose(np.median(found.inflow, axis=1), 0, atol=1e-12)
    assert np.corrcoef(found.inflow.ravel(), (between - np.median(between, axis=1, keepdims=True)).ravel())[0, 1] > 0.99


def test_frames_that_were_lost_are_bridged() -> None:
    culture, inner, _ = with_sources(lasting=False)
    kept = np.delete(np.arange(240), [60, 61, 150])
    lossy = replace(culture, intensity=culture.intensity[:, kept], time_s=10.0 * kept)
    found = sourced_run(lossy, WEIGHTS, K, 0.002, LEAK)
    assert (found.run.shape, found.own.shape) == ((len(inner), 237), (len(inner), 236))
    assert np.sqrt(((found.run - lossy.intensity[inner]) ** 2).mean()) < 3 * NOISE


def test_a_recording_of_three_frames_has_no_noise_that_could_be_told() -> None:
    assert noise_of(np.zeros((2, 3))).tolist() == [1, 1]
