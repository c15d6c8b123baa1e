"""Own shares: what a cell releases itself, told from what flows in, on cultures whose sources are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcigraph.models import SyntheticOptions, make_culture, operator
from calcigraph.models.consensus import simulate
from calcigraph.models.own_share import Coupling, own_shares
from calcigraph.store.event_types import Events, no_events
from calcigraph.store.types import FloatArray, Subgraph

K, LEVEL, HEIGHT = 0.05, 0.5, 0.3
FIRST, LASTS = 20, 4
"""Frame at which the source of a cell opens, and for how many frames."""


def still_culture() -> Subgraph:
    """A culture at rest, all cells at one level."""
    culture = make_culture(SyntheticOptions(cells=40, frames=240, size_px=256, seed=3)).subgraph()
    return replace(culture, intensity=np.full_like(culture.intensity, LEVEL))


def with_sources(culture: Subgraph, cells: dict[int, float], leak: float = 0.0) -> Subgraph:
    """The culture with a source of its own in some inner cells, by row, each of a height in intensity."""
    op = operator(culture, "distance*border")
    source = np.zeros((len(op.inner), culture.intensity.shape[1] - 1))
    for row, height in cells.items():
        source[np.searchsorted(op.inner, row), FIRST : FIRST + LASTS] = height / LASTS / culture.frame_interval_s
    traces = culture.intensity.copy()
    traces[op.inner] = simulate(op, K, leak * LEVEL, traces, culture.frame_interval_s, leak=leak, source=source)
    return replace(culture, intensity=traces)


def risen(culture: Subgraph, rows: list[int], last: int = FIRST + LASTS) -> Events:
    """One event in each of these cells, from the opening of the source to frame `last`."""
    count, dt = len(rows), culture.frame_interval_s
    values: dict[str, object] = dict.fromkeys(vars(no_events()), np.zeros(count))
    rise = culture.intensity[rows, last] - LEVEL
    values |= {
        "label": culture.labels[rows], "onset_s": np.full(count, FIRST * dt), "peak_s": np.full(count, last * dt),
        "amplitude": rise, "cut_start": np.zeros(count, bool), "cut_end": np.zeros(count, bool),
    }  # fmt: skip
    return Events(**values)  # type: ignore[arg-type]


def quiet(culture: Subgraph, deviation: float = 1e-6) -> tuple[FloatArray, FloatArray]:
    """Baseline and noise of the culture at rest."""
    return np.full_like(culture.intensity, LEVEL), np.full(len(culture.labels), deviation)


def coupling(**other: float) -> Coupling:
    told = {"k": K, "k_low": 0.9 * K, "k_high": 1.1 * K} | other
    return Coupling(run="A:robust:1", settings={"weights": "distance*border"}, **told)


def surrounded(culture: Subgraph) -> tuple[int, list[int]]:
    """An inner cell whose neighbours are inner too, and these."""
    for row in np.flatnonzero(~culture.border):
        around = [int(b if a == row else a) for a, b in culture.pairs if row in (a, b)]
        if not culture.border[around].any():
            return int(row), around
    raise AssertionError("no cell is surrounded")


def test_a_cell_alone_has_released_all_of_its_rise() -> None:
    culture = still_culture()
    row, _ = surrounded(culture)
    seen = with_sources(culture, {row: HEIGHT})
    shares = own_shares(seen, risen(seen, [row]), *quiet(seen), coupling())
    assert shares.own_share.tolist() == [1.0]
    assert shares.own_share_low[0] == 1.0


@pytest.mark.parametrize("leak", [0.0, 0.01])
def test_a_cell_that_only_follows_its_neighbours_has_no_share(leak: float) -> None:
    culture = still_culture()
    row, around = surrounded(culture)
    seen = with_sources(culture, dict.fromkeys(around, HEIGHT), leak)
    shares = own_shares(seen, risen(seen, [row]), *quiet(seen), coupling(leak=leak))
    assert shares.own_share[0] == pytest.approx(0, abs=0.01)
    assert shares.own_share_low[0] == 0
    assert shares.own_share_high[0] == pytest.approx(0.1, abs=0.01)


def test_a_part_of_the_rise_is_told() -> None:
    culture = still_culture()
    row, around = surrounded(culture)
    both = with_sources(culture, {row: 0.05} | dict.fromkeys(around, HEIGHT))
    shares = own_shares(both, risen(both, [row]), *quiet(both), coupling())
    rise = both.intensity[row, FIRST + LASTS] - LEVEL
    # What the cell's own source brought, as a share of all that the cell gained.
    assert shares.own_share[0] == pytest.approx(0.05 / rise, rel=0.02)
    assert shares.own_share_low[0] < 0.05 / rise < shares.own_share_high[0]


def test_nothing_is_told_of_border_cells_cut_events_and_noise() -> None:
    culture = still_culture()
    row, _ = surrounded(culture)
    edge = int(np.flatnonzero(culture.border)[0])
    seen = with_sources(culture, {row: HEIGHT})
    events = risen(seen, [edge, row, row])
    events = replace(events, cut_start=np.array([False, True, False]))
    shares = own_shares(seen, events, *quiet(seen), coupling())
    assert np.isnan(shares.own_share[:2]).all()
    assert shares.own_share[2] == 1
    lost = own_shares(seen, events, *quiet(seen, deviation=HEIGHT), coupling())
    assert np.isnan(lost.own_share).all()


def test_noise_and_the_interval_of_k_widen_the_interval() -> None:
    culture = still_culture()
    row, around = surrounded(culture)
    seen = with_sources(culture, {row: 0.1} | dict.fromkeys(around, HEIGHT))

    def width(deviation: float, **other: float) -> float:
        shares = own_shares(seen, risen(seen, [row]), *quiet(seen, deviation), coupling(**other))
        return float(shares.own_share_high[0] - shares.own_share_low[0])

    assert width(1e-6) < width(0.01)
    assert width(1e-6) < width(1e-6, k_low=0.5 * K)


def test_errors_of_onset_and_peak_widen_the_interval() -> None:
    culture = still_culture()
    row, around = surrounded(culture)
    seen = with_sources(culture, {row: 0.1} | dict.fromkeys(around, HEIGHT))
    events = risen(seen, [row])

    def width(**errors: float) -> float:
        told = replace(events, **{name: np.array([value]) for name, value in errors.items()})
        shares = own_shares(seen, told, *quiet(seen), coupling(k_low=K, k_high=K))
        return float(shares.own_share_high[0] - shares.own_share_low[0])

    exact = width()
    # Without a leak cells keep what flowed in: their median over a third of the recording is not that over all of it.
    assert exact < 0.03
    assert exact < width(onset_se_s=4.0) < width(onset_se_s=8.0)
    assert exact < width(half_se_s=8.0)


def test_another_reading_of_the_level_at_rest_widens_the_interval() -> None:
    culture = still_culture()
    row, around = surrounded(culture)
    seen = with_sources(culture, {row: 0.1} | dict.fromkeys(around, HEIGHT))
    baseline, noise = quiet(seen)
    followed = baseline.copy()
    followed[around] += 0.02
    known = coupling(k_low=K, k_high=K)
    exact, wide = (own_shares(seen, risen(seen, [row]), level, noise, known) for level in (baseline, followed))
    # With the neighbours' levels 0.02 higher, less flows into the cell; all of that lies in the interval.
    assert wide.own_share[0] == exact.own_share[0]
    op = operator(seen, "distance*border")
    inner = int(np.searchsorted(op.inner, row))
    less = K * LASTS * seen.frame_interval_s * 0.02 * op.rate[inner]
    rise = float(seen.intensity[row, FIRST + LASTS] - LEVEL)
    assert wide.own_share_high[0] - wide.own_share[0] == pytest.approx(less / rise, rel=0.05)


def test_brightness_that_drifts_is_not_taken_for_a_flow() -> None:
    culture = still_culture()
    row, around = surrounded(culture)
    both = with_sources(culture, {row: 0.05} | dict.fromkeys(around, HEIGHT))
    events = risen(both, [row])
    truth = 0.05 / float(events.amplitude[0])
    drifted = both.intensity.copy()
    drifted[row] -= 0.05 * np.linspace(-1, 1, drifted.shape[1])
    seen = replace(both, intensity=drifted)
    shares = own_shares(seen, events, *quiet(seen), coupling())
    # The cell is brighter by 0.04 at the event than half way through: half of the rise less flows in, it seems.
    assert shares.own_share[0] == pytest.approx(truth, abs=0.15)
    assert shares.own_share_low[0] < truth < shares.own_share_high[0]


def test_what_flowed_in_is_told_where_cells_never_come_back_to_their_level() -> None:
    """Without a leak levels wander, and only the flow has a level at rest."""
    culture = still_culture()
    row, around = surrounded(culture)
    later = culture.intensity.copy()
    later[culture.border, 60:] += 0.3
    seen = with_sources(replace(culture, intensity=later), dict.fromkeys(around, HEIGHT))
    assert np.median(seen.intensity[row]) == pytest.approx(LEVEL + 0.3, abs=0.01)
    shares = own_shares(seen, risen(seen, [row]), *quiet(seen), coupling())
    assert shares.own_share[0] == pytest.approx(0, abs=0.02)


def test_the_interval_holds_the_truth_with_noise_and_errors_of_the_times() -> None:
    culture = still_culture()
    row, around = surrounded(culture)
    both = with_sources(culture, {row: 0.08} | dict.fromkeys(around, HEIGHT))
    events = risen(both, [row])
    truth = 0.08 / float(events.amplitude[0])
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        noisy = replace(both, intensity=both.intensity + 0.01 * rng.standard_normal(both.intensity.shape))
        off = 8 * rng.standard_normal(2)
        wrong = replace(
            events, onset_s=events.onset_s + off[0], peak_s=events.peak_s + off[1], onset_se_s=np.array([8.0]),
            half_se_s=np.array([8.0]),
        )  # fmt: skip
        shares = own_shares(noisy, wrong, *quiet(noisy, 0.01), coupling(k_low=K, k_high=K))
        held += bool(shares.own_share_low[0] <= truth <= shares.own_share_high[0])
    assert 270 <= held <= 299
