"""Waves are found where they were planted, as what they are, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from calcigraph.models.event_options import EventOptions
from calcigraph.models.events import detect_events
from calcigraph.models.synthetic.excitable import WaveOptions, make_waves
from calcigraph.models.waves import Found, find_waves
from calcigraph.models.waves.chance import Asked, order_p
from calcigraph.models.waves.contacts import net_of, reach_of
from calcigraph.models.waves.fitting import Clutter, fitted
from calcigraph.models.waves.flashes import flashes_of
from calcigraph.models.waves.front import Places
from calcigraph.models.waves.pairs import Train, nearest_pairs
from calcigraph.store.event_types import Events, no_events
from calcigraph.store.types import Subgraph

STEP, FRAMES, SPACING = 10.0, 200, 40.0
FEW = EventOptions(exchanges=39)
SIDE = 9


def tissue(side: int = SIDE, seed: int = 0) -> Subgraph:
    """Cells on a shaken hexagonal lattice."""
    rng = np.random.default_rng(seed)
    column, line = (each.ravel() for each in np.meshgrid(np.arange(side), np.arange(side)))
    x = SPACING * (column + 0.5 * (line % 2)) + rng.uniform(-4, 4, side * side)
    y = SPACING * 0.87 * line + rng.uniform(-4, 4, side * side)
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    pairs = np.argwhere(np.triu(apart < 1.4 * SPACING, 1))
    return Subgraph(
        culture="lattice",
        frame_interval_s=STEP,
        labels=np.arange(1, side * side + 1) * 3,
        x_px=x,
        y_px=y,
        border=np.zeros(side * side, np.bool_),
        intensity=np.zeros((side * side, FRAMES)),
        pairs=pairs,
        shared_border_px=np.ones(len(pairs)),
        centroid_distance_px=apart[pairs[:, 0], pairs[:, 1]],
    )


def events_of(label: np.ndarray, half: np.ndarray, se: float | np.ndarray = 1.0) -> Events:
    """Events of which little but the half rise is known, sorted."""
    order = np.lexsort((half, label))
    zero = np.zeros(len(label))
    columns = dict.fromkeys(vars(no_events()), zero)
    flags = {"cut_start": zero > 0, "cut_end": zero > 0}
    known = {"label": label[order], "onset_s": half[order], "half_s": half[order], "rise_s": zero + 10}
    return Events(**(columns | flags | known | {"half_se_s": (zero + se)[order]}))


def own(graph: Subgraph, rng: np.random.Generator, each: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Events of the cells' own, at any time."""
    label = np.repeat(graph.labels, each)
    return label, rng.uniform(0, STEP * (FRAMES - 1), len(label))


def circles(graph: Subgraph, row: int, start: float, speed: float, rng: np.random.Generator) -> np.ndarray:
    """(n,), when a wave that runs over contacts from one cell comes by."""
    size = len(graph.labels)
    contacts = coo_matrix((graph.centroid_distance_px, graph.pairs.T), shape=(size, size))
    away = dijkstra(contacts.tocsr(), directed=False, indices=row)
    return start + away / speed + rng.standard_normal(size)


def with_own(graph: Subgraph, rng: np.random.Generator, *times: np.ndarray) -> Events:
    """Own events, and for each of `times` one of every cell for which it is finite."""
    label, half = own(graph, rng)
    for time in times:
        known = np.isfinite(time)
        label, half = np.append(label, graph.labels[known]), np.append(half, time[known])
    return events_of(label, half)


def waves_of(found: Found, kind: str = "wave") -> list:
    return [wave for wave in found.waves if wave.kind == kind]


def test_a_wave_is_found_with_origin_and_speed():
    graph, rng = tissue(), np.random.default_rng(1)
    row = 4 * SIDE + 4
    (wave,) = waves_of(find_waves(graph, with_own(graph, rng, circles(graph, row, 500, 2.0, rng)), FEW))
    assert len(wave.events) >= 0.9 * len(graph.labels)
    assert graph.labels[row] in wave.starts
    assert len(wave.starts) <= 3
    assert abs(wave.speed_px_s / 2 - 1) < 0.06
    assert wave.speed_low_px_s < 2 < wave.speed_high_px_s
    assert wave.radial
    assert wave.direction_deg is None
    assert wave.p <= 0.05
    assert wave.p <= wave.q


def test_a_wave_goes_round_cells_that_stay_silent():
    """Behind a wall of silent cells it comes later, by the way round: still one wave, of the speed along its way."""
    graph, rng = tissue(11), np.random.default_rng(12)
    column, line = np.arange(121) % 11, np.arange(121) // 11
    fires = (column != 5) | (line > 8)
    size, (a, b) = len(graph.labels), graph.pairs.T
    open_ = fires[a] & fires[b]
    contacts = coo_matrix((graph.centroid_distance_px[open_], (a[open_], b[open_])), shape=(size, size))
    away = dijkstra(contacts.tocsr(), directed=False, indices=2 * 11 + 1)
    times = np.where(fires, 500 + away / 2 + rng.standard_normal(size), np.inf)
    (wave,) = waves_of(find_waves(graph, with_own(graph, rng, times), FEW))
    assert len(wave.events) >= 0.75 * fires.sum()
    assert graph.labels[2 * 11 + 1] in wave.starts
    assert abs(wave.speed_px_s / 2 - 1) < 0.05
    assert wave.speed_low_px_s < 2 < wave.speed_high_px_s


def test_a_wave_that_runs_straight_ahead_has_its_straight_speed():
    """Ways over contacts of this lattice are longer by a tenth off its axes."""
    graph, rng = tissue(11), np.random.default_rng(13)
    row = 5 * 11 + 5
    straight = np.hypot(graph.x_px - graph.x_px[row], graph.y_px - graph.y_px[row])
    times = 500 + straight / 2 + rng.standard_normal(len(straight))
    (wave,) = waves_of(find_waves(graph, with_own(graph, rng, times), FEW))
    assert abs(wave.speed_px_s / 2 - 1) < 0.02
    assert wave.speed_low_px_s < 2 < wave.speed_high_px_s


def test_p_of_the_order_is_uniform_where_there_is_none_and_small_where_there_is():
    rng, waves, cells = np.random.default_rng(14), 300, 12
    x, y = rng.uniform(0, 300, (2, waves, cells))
    away = np.hypot(x[:, :, None] - x[:, None], y[:, :, None] - y[:, None])
    time = rng.uniform(0, 100, (waves, cells))
    time[0] = x[0] / 3
    asked = Asked(
        wave=np.repeat(np.arange(waves), cells), time=time.ravel(), x=x.ravel(), y=y.ravel(), away=away.ravel()
    )
    p = order_p(asked, 199, rng)
    assert p[0] < 1e-4
    # Of 299, 15 are expected below 0.05, with a deviation of 4, and 1.5 below 0.005.
    assert 5 <= (p[1:] <= 0.05).sum() <= 27
    assert (p[1:] <= 0.005).sum() <= 6


def test_a_line_is_found_among_more_events_that_have_nothing_to_do_with_it():
    rng = np.random.default_rng(21)
    away = rng.uniform(0, 300, 100)
    time = np.where(np.arange(100) < 40, 50 + away / 2 + 3 * rng.standard_normal(100), rng.uniform(0, 400, 100))
    clutter = Clutter(rate=1 / 600, least=1.0, lag=60.0, spacing=40.0)
    design = np.stack([np.ones(100), away], axis=1)[None]
    coefficient, scale, gain = fitted(clutter, design, time, np.array([10.0]), np.array([[30.0, 0.6]]))
    assert abs(1 / coefficient[0, 1] / 2 - 1) < 0.03
    assert 2 < scale[0] < 5
    assert gain[0] > 80


def test_cells_at_the_edge():
    graph = tissue()
    places = Places(net=net_of(graph), x=graph.x_px, y=graph.y_px, spacing=SPACING)
    column, line = np.arange(SIDE * SIDE) % SIDE, np.arange(SIDE * SIDE) // SIDE
    inner = (np.minimum(column, line) > 0) & (np.maximum(column, line) < SIDE - 1)
    assert not places.edge[inner].any()
    corner = np.isin(column, (0, SIDE - 1)) & np.isin(line, (0, SIDE - 1))
    assert places.edge[corner].all()
    assert places.edge[~inner].mean() > 0.7


def test_three_slow_waves_at_one_time_stay_three():
    """The second and third set out while the first still runs, and cells fire by themselves between."""
    graph, rng = tissue(15), np.random.default_rng(22)
    rows, starts = (2 * 15 + 2, 7 * 15 + 12, 12 * 15 + 3), (500, 620, 700)
    waves = [circles(graph, row, start, 0.6, rng) for row, start in zip(rows, starts, strict=True)]
    passed = [np.where(wave < start + 250, wave, np.inf) for wave, start in zip(waves, starts, strict=True)]
    found = waves_of(find_waves(graph, with_own(graph, rng, *passed), FEW))
    assert len(found) == 3
    for row, wave in zip(rows, found, strict=True):
        assert graph.labels[row] in wave.starts


@pytest.mark.parametrize("seed", range(5))
def test_cells_that_fire_in_the_same_minutes_in_no_order_are_no_wave(seed):
    """Many events at one time, and some of them always lie on some front."""
    graph, rng = tissue(11), np.random.default_rng(30 + seed)
    times = [start + 80 * rng.standard_normal(121) for start in (500, 1300)]
    assert waves_of(find_waves(graph, with_own(graph, rng, *times), FEW)) == []


@pytest.mark.parametrize("angle", [0, 90, 200])
def test_a_plane_front_has_a_direction(angle):
    graph, rng = tissue(), np.random.default_rng(2)
    along = np.cos(np.radians(angle)) * graph.x_px + np.sin(np.radians(angle)) * graph.y_px
    times = 400 + (along - along.min()) / 2.5 + rng.standard_normal(len(along))
    (wave,) = waves_of(find_waves(graph, with_own(graph, rng, times), FEW))
    assert not wave.radial
    assert abs((wave.direction_deg - angle + 180) % 360 - 180) < 4
    assert abs(wave.speed_px_s / 2.5 - 1) < 0.12
    assert wave.speed_low_px_s < wave.speed_px_s < wave.speed_high_px_s


def test_two_waves_that_meet_stay_two():
    graph, rng = tissue(13), np.random.default_rng(3)
    a, b = 6 * 13 + 1, 6 * 13 + 11
    one, two = (circles(graph, row, start, 2.0, rng) for row, start in ((a, 500), (b, 515)))
    first = np.where(one < two, one, np.inf)
    second = np.where(one < two, np.inf, two)
    waves = waves_of(find_waves(graph, with_own(graph, rng, first, second), FEW))
    assert len(waves) == 2
    assert graph.labels[a] in waves[0].starts
    assert graph.labels[b] in waves[1].starts


def test_a_flash_is_a_flash():
    graph, rng = tissue(), np.random.default_rng(4)
    found = find_waves(graph, with_own(graph, rng, 700 + 2 * rng.standard_normal(len(graph.labels))), FEW)
    assert waves_of(found) == []
    (flash,) = waves_of(found, "flash")
    assert len(flash.events) > 0.8 * len(graph.labels)
    assert len(flash.starts) == 0
    assert (flash.speed_px_s, flash.direction_deg, flash.radial, flash.origin_x_px) == (None, None, None, None)


def test_a_flash_in_the_middle_of_a_wave_leaves_both():
    graph, rng = tissue(13), np.random.default_rng(14)
    along = graph.x_px - graph.x_px.min()
    front = 400 + along / 2.0 + rng.standard_normal(len(along))
    at = 520 + 2.5 * rng.standard_normal(len(along))
    # Cells that the front passed within the last minute rest; those that flashed rest as it comes by.
    rests = (front < at) & (at - front < 60)
    flashes = ~rests & (rng.random(len(along)) < 0.6)
    blocked = flashes & (front > at) & (front - at < 60)
    events = with_own(graph, rng, np.where(blocked, np.inf, front), np.where(flashes, at, np.inf))
    found = find_waves(graph, events, FEW)
    (flash,) = waves_of(found, "flash")
    inside = np.abs(events.half_s[flash.events] - 520) < 10
    assert inside.all()
    assert inside.sum() >= 0.95 * flashes.sum()
    longest = max(waves_of(found), key=lambda wave: len(wave.events))
    assert abs(longest.speed_px_s / 2.0 - 1) < 0.15
    assert not set(flash.events.tolist()) & {event for wave in waves_of(found) for event in wave.events.tolist()}


@pytest.mark.parametrize("speed", [1.0, 4.0, 10.0])
def test_a_front_is_no_flash(speed):
    graph, rng = tissue(13), np.random.default_rng(15)
    net, row = net_of(graph), np.arange(169)
    train = Train(row=row, time=circles(graph, 6 * 13 + 6, 500, speed, rng))
    assert (flashes_of(net, reach_of(net), train, 10.0, graph.x_px, graph.y_px) == -1).all()


def test_a_flash_is_one_set():
    graph, rng = tissue(13), np.random.default_rng(16)
    net, row = net_of(graph), np.arange(169)
    time = np.where(rng.random(169) < 0.8, 500 + 2.5 * rng.standard_normal(169), rng.uniform(0, 1990, 169))
    flash = flashes_of(net, reach_of(net), Train(row=row, time=time), 10.0, graph.x_px, graph.y_px)
    assert len(np.unique(flash[flash >= 0])) == 1
    assert np.array_equal(flash >= 0, np.abs(time - np.median(time[flash >= 0])) <= 10)


@pytest.mark.parametrize("seed", [9_000_013, 9_000_048, 8_000_015])
def test_patches_that_share_a_drive_are_no_wave(seed):
    options = WaveOptions(waves=0, flashes=6, flash_spread_s=30, flash_reach_px=120, seed=seed)
    culture = make_waves(options)
    assert waves_of(find_waves(culture.graph, detect_events(culture.graph).events)) == []


def test_cells_of_their_own_make_no_wave():
    graph = tissue()
    for seed in range(6):
        rng = np.random.default_rng(100 + seed)
        label, half = own(graph, rng, 5)
        assert waves_of(find_waves(graph, events_of(label, half), FEW)) == []


def test_a_wave_whose_cells_are_exchanged_is_none():
    graph, rng = tissue(), np.random.default_rng(5)
    times = rng.permutation(circles(graph, 4 * SIDE + 4, 500, 2.0, rng))
    assert waves_of(find_waves(graph, with_own(graph, rng, times), FEW)) == []


def test_ties_have_no_direction():
    graph = replace(tissue(2), pairs=np.array([[0, 1]]))
    label, half = np.repeat(graph.labels[:2], 3), np.array([100.0, 500.0, 900.0, 103.0, 500.0, 920.0])
    links = find_waves(graph, events_of(label, half, se=3.0), EventOptions(max_lag_s=50, exchanges=19)).links
    assert links.tie.tolist() == [True, True, False]
    assert links.lag_s.tolist() == [0.0, 0.0, 20.0]
    assert links.p[:2].tolist() == [1.0, 1.0]
    assert links.before.tolist() == [0, 1, 2]
    assert links.after.tolist() == [3, 4, 5]


def test_a_pair_that_always_goes_first_has_a_small_p():
    graph, rng = tissue(3), np.random.default_rng(6)
    a, b = graph.pairs[0]
    lead = np.sort(rng.uniform(0, 1900, 12))
    others = [row for row in range(9) if row not in (a, b)]
    label = np.concatenate([np.repeat(graph.labels[[a, b]], 12), np.repeat(graph.labels[others], 12)])
    half = np.concatenate([lead, lead + 15, rng.uniform(0, 1990, 12 * len(others))])
    events = events_of(label, half)
    links = find_waves(graph, events, EventOptions(max_lag_s=40, exchanges=99)).links
    of = (events.label[links.before] == graph.labels[a]) & (events.label[links.after] == graph.labels[b])
    assert of.sum() >= 7
    assert links.p[of].max() <= 0.03
    assert np.median(links.p[~of & ~links.tie]) > 0.2


def test_cells_that_fire_together_do_not_go_first():
    graph, rng = tissue(3), np.random.default_rng(13)
    bursts = np.sort(rng.uniform(100, 1800, 12))
    half = (bursts + 8 * rng.standard_normal((9, 12))).ravel()
    links = find_waves(
        graph, events_of(np.repeat(graph.labels, 12), half), EventOptions(max_lag_s=40, exchanges=99)
    ).links
    # Every pair goes together more than chance, but neither cell goes first.
    assert np.mean(links.p[~links.tie] <= 0.05) < 0.15


def test_events_that_began_before_the_recording_are_left_out():
    graph, rng = tissue(), np.random.default_rng(7)
    events = with_own(graph, rng, 700 + 2 * rng.standard_normal(len(graph.labels)))
    found = find_waves(graph, replace(events, cut_start=np.ones(len(events), np.bool_)), FEW)
    assert (len(found.links), found.waves) == (0, ())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_few_events_make_nothing(number):
    graph = tissue(3)
    events = events_of(graph.labels[:number], np.arange(number) * 10.0 + 50)
    found = find_waves(graph, events, EventOptions(exchanges=19))
    assert found.waves == ()
    assert len(found.links) == number // 2


def test_a_culture_without_contacts():
    graph = replace(tissue(3), pairs=np.zeros((0, 2), np.int64), centroid_distance_px=np.zeros(0))
    label, half = own(graph, np.random.default_rng(8))
    found = find_waves(graph, events_of(label, half), EventOptions(exchanges=19))
    assert (len(found.links), found.waves) == (0, ())


def test_cells_at_one_place_do_no_harm():
    graph, rng = tissue(), np.random.default_rng(9)
    x, y = graph.x_px.copy(), graph.y_px.copy()
    x[1], y[1] = x[0], y[0]
    events = with_own(graph, rng, circles(graph, 4 * SIDE + 4, 500, 2.0, rng))
    assert len(waves_of(find_waves(replace(graph, x_px=x, y_px=y), events, FEW))) == 1


def test_the_seed_decides():
    graph, rng = tissue(), np.random.default_rng(10)
    events = with_own(graph, rng, circles(graph, 4 * SIDE + 4, 500, 2.0, rng))
    one, again = find_waves(graph, events, FEW), find_waves(graph, events, FEW)
    np.testing.assert_array_equal(one.links.p, again.links.p)
    for a, b in zip(one.waves, again.waves, strict=True):
        np.testing.assert_array_equal(a.events, b.events)
        assert (a.p, a.speed_low_px_s) == (b.p, b.speed_low_px_s)


def test_labels_and_orientation_do_not_matter():
    graph, rng = tissue(), np.random.default_rng(11)
    half = np.append(own(graph, rng)[1], circles(graph, 4 * SIDE + 4, 500, 2.0, rng))
    label = np.append(own(graph, rng)[0], graph.labels)
    plain = waves_of(find_waves(graph, events_of(label, half), FEW))[0]
    turned = replace(graph, x_px=graph.y_px, y_px=graph.x_px)
    other = waves_of(find_waves(turned, events_of(label, half), FEW))[0]
    np.testing.assert_array_equal(plain.events, other.events)
    assert other.speed_px_s == pytest.approx(plain.speed_px_s)
    assert (other.origin_x_px, other.origin_y_px) == pytest.approx((plain.origin_y_px, plain.origin_x_px))
    # Labels in another order: the cells move to other rows.
    new = rng.permutation(len(graph.labels))
    back = np.argsort(new)
    moved = replace(graph, x_px=graph.x_px[back], y_px=graph.y_px[back], pairs=np.sort(new[graph.pairs], axis=1))
    renamed = graph.labels[new[np.searchsorted(graph.labels, label)]]
    last = waves_of(find_waves(moved, events_of(renamed, half), FEW))[0]
    names = graph.labels[back[np.searchsorted(graph.labels, last.starts)]]
    assert set(names.tolist()) == set(plain.starts.tolist())
    assert last.speed_px_s == pytest.approx(plain.speed_px_s, rel=0.02)


def test_pairs_are_mutual_and_within_the_lag():
    graph, rng = tissue(5), np.random.default_rng(12)
    label, half = own(graph, rng, 6)
    order = np.lexsort((half, label))
    train = Train(row=np.searchsorted(graph.labels, label[order]), time=half[order])
    net = net_of(graph)
    pairs = nearest_pairs(net, train, 60.0)
    contact = {tuple(pair) for pair in graph.pairs.tolist()}
    for one, two in zip(pairs.one.tolist(), pairs.two.tolist(), strict=True):
        assert (train.row[one], train.row[two]) in contact
        for event, other in ((one, two), (two, one)):
            there = np.flatnonzero(train.row == train.row[other])
            assert there[np.abs(train.time[there] - train.time[event]).argmin()] == other
        assert abs(train.time[one] - train.time[two]) <= 60
    # Every pair of contacts that are mutually nearest is found.
    count = 0
    for a, b in contact:
        apart = np.abs(train.time[train.row == a][:, None] - train.time[train.row == b])
        nearest = (apart == apart.min(axis=0)) & (apart == apart.min(axis=1)[:, None]) & (apart <= 60)
        count += int(nearest.sum())
    assert count == len(pairs.one)


def test_reach_is_two_contacts():
    graph = tissue(5)
    net = net_of(graph)
    touch = np.zeros((25, 25), np.bool_)
    touch[graph.pairs[:, 0], graph.pairs[:, 1]] = touch[graph.pairs[:, 1], graph.pairs[:, 0]] = True
    two = (touch | (touch.astype(int) @ touch.astype(int) > 0)) & ~np.eye(25, dtype=np.bool_)
    reach = reach_of(net)
    for row in range(25):
        assert reach.to[reach.first[row] : reach.first[row + 1]].tolist() == np.flatnonzero(two[row]).tolist()
