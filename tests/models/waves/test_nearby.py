"""A front among all events near a wave, chosen or not, is compared with exchanged times."""

from __future__ import annotations

import numpy as np
import pytest

from calcigraph.models.waves.fitting import Clutter
from calcigraph.models.waves.nearby import Nearby, nearby_p

CLUTTER = Clutter(rate=3 / 3600, least=1.5, lag=60.0, spacing=40.0)


def nearby(rng: np.random.Generator, time: np.ndarray) -> Nearby:
    x, y = rng.uniform(0, 240, (2, len(time)))
    return Nearby(time=time, x=x, y=y, away=np.hypot(x[:, None] - x, y[:, None] - y))


def test_p_is_uniform_where_times_have_no_order():
    rng = np.random.default_rng(5)
    p = np.array([nearby_p(nearby(rng, 30 * rng.standard_normal(24)), CLUTTER, 39, rng) for _ in range(200)])
    for level in (0.1, 0.3, 0.5, 0.8):
        assert abs((p <= level).mean() - level) < 3 * np.sqrt(level * (1 - level) / 200) + 1 / 40


@pytest.mark.parametrize("kind", ["circles", "plane"])
def test_a_front_among_as_many_others_has_a_small_p(kind):
    rng = np.random.default_rng(6)
    near = nearby(rng, np.zeros(40))
    time = near.away[0] / 2 if kind == "circles" else near.x / 2
    time = time + 2 * rng.standard_normal(40)
    time[20:] = rng.uniform(-60, 180, 20)
    assert nearby_p(Nearby(time=time, x=near.x, y=near.y, away=near.away), CLUTTER, 199, rng) < 0.005
    exchanged = Nearby(time=rng.permutation(time), x=near.x, y=near.y, away=near.away)
    assert nearby_p(exchanged, CLUTTER, 199, rng) > 0.02
