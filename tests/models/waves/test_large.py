"""Large waves take no longer for the many small sets of events beside them, and stay the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcigraph.models.waves import find_waves, settling
from calcigraph.models.waves.contacts import net_of, reach_of
from calcigraph.models.waves.fitting import Clutter
from calcigraph.models.waves.front import CIRCLES, Front, Places, fit_front
from calcigraph.models.waves.pairs import Train
from calcigraph.models.waves.settling import LARGE, Field
from tests.models.waves.test_waves import FEW, SPACING, circles, tissue, waves_of, with_own

SIDE, SPEED = 30, 2.0
MIDDLE = SIDE * SIDE // 2 + SIDE // 2


@pytest.fixture(scope="module")
def field() -> Field:
    """A wave from the middle of 900 cells, one event of each cell."""
    graph, rng = tissue(SIDE), np.random.default_rng(2)
    time = circles(graph, MIDDLE, 300, SPEED, rng)
    net = net_of(graph)
    return Field(
        places=Places(net=net, x=graph.x_px, y=graph.y_px, spacing=SPACING),
        reach=reach_of(net),
        train=Train(row=np.arange(len(time)), time=time),
        clutter=Clutter(rate=1e-3, least=1.0, lag=60.0, spacing=SPACING),
    )


def test_a_large_wave_gains_small_sets_without_a_fit_for_each(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    order = np.argsort(field.train.time)
    sets = [order[:700], *np.array_split(order[700:], 20)]
    field.fronts[sets[0].tobytes()] = Front(
        kind=CIRCLES, origin=MIDDLE, constant=300.0, slope=(1 / SPEED,), scale=1.0, badness=0.0
    )
    most: list[int] = []

    def counted(places: Places, rows: np.ndarray, time: np.ndarray, clutter: Clutter) -> Front:
        most.append(len(rows))
        return fit_front(places, rows, time, clutter)

    monkeypatch.setattr(settling, "fit_front", counted)
    (wave,) = settling._joined(field, sets)
    assert np.array_equal(wave, order)
    assert max(most) < LARGE


def test_what_does_not_fit_the_front_of_a_large_wave_stays_apart(field: Field) -> None:
    order = np.argsort(field.train.time)
    large, small = order[:700], order[700:]
    right = Front(kind=CIRCLES, origin=MIDDLE, constant=300.0, slope=(1 / SPEED,), scale=1.0, badness=0.0)
    late = Front(kind=CIRCLES, origin=MIDDLE, constant=330.0, slope=(1 / SPEED,), scale=1.0, badness=0.0)
    for few in (small[:100], small[100:]):
        assert settling._given_front(large, few, late, right) is late
        assert settling._given_front(few, large, right, late) is late
        assert settling._gain(field, [large, few], [late, right], (0, 1)) > 0
        assert settling._gain(field, [few, large], [right, right], (0, 1)) < 0
    # Neither a small wave nor one of like size stands for both.
    assert settling._given_front(large[:400], small[:10], right, right) is None
    assert settling._given_front(large, small, right, right) is None


@pytest.mark.parametrize("straight", [True, False])
def test_the_front_of_a_large_wave_has_its_origin_and_speed(straight: bool) -> None:
    """Of each cell of a square lattice one event; ways over its contacts are up to 41 % longer than straight ones."""
    places, rng = square(SIDE), np.random.default_rng(3)
    rows = np.arange(SIDE * SIDE)
    ways = places.straight if straight else places.away
    time = 300 + ways(np.array([MIDDLE]), rows)[0] / SPEED + rng.normal(0, 2, len(rows))
    clutter = Clutter(rate=1e-3, least=1.0, lag=60.0, spacing=SPACING)
    # One cell in five has an event of its own instead, which is among the earliest ones or the last.
    other = rng.random(len(rows)) < 0.2
    time[other] = rng.uniform(200, 800, other.sum())
    fit = fit_front(places, rows, time, clutter)
    assert (fit.origin, fit.straight) == (MIDDLE, straight)
    assert 1 / fit.steep == pytest.approx(SPEED, rel=0.01)


def test_a_wave_over_all_cells_is_one_wave() -> None:
    places, rng = square(SIDE), np.random.default_rng(4)
    graph = replace(tissue(SIDE), x_px=places.x, y_px=places.y, pairs=beside(places.x, places.y))
    time = 300 + places.straight(np.array([MIDDLE]), np.arange(SIDE * SIDE))[0] / SPEED
    found = find_waves(graph, with_own(graph, rng, time + rng.normal(0, 2, len(time))), FEW)
    (wave,) = waves_of(found)
    assert len(wave.events) > 0.9 * SIDE * SIDE
    assert MIDDLE in wave.starts // 3 - 1
    assert wave.speed_low_px_s < SPEED < wave.speed_high_px_s
    assert wave.speed_px_s == pytest.approx(SPEED, rel=0.05)


def square(side: int) -> Places:
    """A square lattice, in which a cell touches four others."""
    x, y = (SPACING * each.ravel().astype(float) for each in np.meshgrid(np.arange(side), np.arange(side)))
    graph = replace(tissue(side), x_px=x, y_px=y, pairs=beside(x, y))
    return Places(net=net_of(graph), x=x, y=y, spacing=SPACING)


def beside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.argwhere(np.triu(np.hypot(x[:, None] - x, y[:, None] - y) < 1.1 * SPACING, 1))


def test_two_large_waves_that_meet_stay_two() -> None:
    places, rng = square(SIDE), np.random.default_rng(5)
    graph = replace(tissue(SIDE), x_px=places.x, y_px=places.y, pairs=beside(places.x, places.y))
    origins = np.array([7 * SIDE + 7, 22 * SIDE + 22])
    ways = places.straight(origins, np.arange(SIDE * SIDE)) / SPEED
    time = 300 + (ways + np.array([[0.0], [20.0]])).min(axis=0) + rng.normal(0, 2, SIDE * SIDE)
    waves = waves_of(find_waves(graph, with_own(graph, rng, time), FEW))
    assert len(waves) == 2
    for wave, origin in zip(waves, origins.tolist(), strict=True):
        assert origin in wave.starts // 3 - 1
        assert wave.speed_px_s == pytest.approx(SPEED, rel=0.05)
