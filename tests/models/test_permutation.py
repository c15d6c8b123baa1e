"""The permutation test: brute force, exact p-values, ties, traces that never change, and power."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from calcigraph.errors import FitError
from calcigraph.models import SyntheticOptions, coupling_statistic, make_culture, operator, synchrony_statistic
from calcigraph.models import permutation as module
from calcigraph.models.permutation import PermutationTest, permutation_test
from calcigraph.store.types import FloatArray, Subgraph, silent


def of(culture: Subgraph, weights: str = "uniform", setup: int = 1, **options: int) -> PermutationTest:
    op = operator(culture, weights, setup)
    return permutation_test(culture.intensity, op, culture.pairs, culture.border, culture.frame_interval_s, **options)


def slow_synchrony(traces: FloatArray, pairs: np.ndarray) -> float:
    return float(np.mean([np.corrcoef(np.diff(traces[a]), np.diff(traces[b]))[0, 1] for a, b in pairs]))


def slow_coupling(traces: FloatArray, culture: Subgraph, weights: str) -> float:
    """The module's k, cell by cell: each cell's own, constant and neighbours in one design matrix."""
    op = operator(culture, weights)
    half, dt = 5, culture.frame_interval_s
    frame = np.arange(-half, half + 1)
    phi = (1 - (frame / half) ** 2) ** 4
    slope = frame * (1 - (frame / half) ** 2) ** 3
    centres = range(half, traces.shape[1] - half, half)
    tested = np.array([[trace[c - half : c + half + 1] @ phi / phi.sum() for c in centres] for trace in traces])
    change = np.array(
        [[trace[c - half : c + half + 1] @ slope / (slope @ frame * dt) for c in centres] for trace in traces]
    )
    pull = op.neighbours(tested)

    def left(values: FloatArray, own: FloatArray, weight: FloatArray) -> FloatArray:
        design, root = np.stack([np.ones_like(own), own], axis=1), np.sqrt(weight)
        return values - design @ np.linalg.lstsq(root[:, None] * design, root * values, rcond=None)[0]

    def weigh(rest: FloatArray) -> FloatArray:
        scale = 1.4826 * np.sort(np.abs(rest))[len(rest) // 2]
        return np.where(np.abs(rest) < 4.685 * scale, (1 - (rest / (4.685 * scale)) ** 2) ** 2, 0)

    weight = np.ones((len(op.inner), len(centres)))
    for row, cell in enumerate(op.inner):
        for _ in range(5):
            weight[row] = weigh(left(change[cell], tested[cell], weight[row]))
    for step in range(3):
        above = below = 0.0
        rests = []
        for row, cell in enumerate(op.inner):
            a, b = (left(values, tested[cell], weight[row]) for values in (change[cell], pull[row]))
            above, below = above + weight[row] @ (a * b), below + weight[row] @ (b * b)
            rests.append((a, b))
        k = above / below
        if step < 2:
            weight = np.array([weigh(a - k * b) for a, b in rests])
    return float(k)


@pytest.mark.parametrize("weights", ["uniform", "distance*border"])
def test_both_statistics_are_those_of_a_plain_loop(grid: Callable[..., Subgraph], weights: str) -> None:
    culture = grid(frames=80, seed=3)
    found = of(culture, weights, permutations=40, seed=7)
    orders = module._arrangements(culture.border, 40, np.random.default_rng(7))
    k = np.array([slow_coupling(culture.intensity[order], culture, weights) for order in orders])
    sync = np.array([slow_synchrony(culture.intensity[order], culture.pairs) for order in orders])
    for name, values in (("k", k), ("sync", sync)):
        observed, others = values[0], values[1:]
        assert getattr(found, name) == pytest.approx(observed, rel=1e-6, abs=1e-7)
        assert getattr(found, f"{name}_mean") == pytest.approx(others.mean(), rel=1e-6, abs=1e-7)
        assert getattr(found, f"{name}_sd") == pytest.approx(others.std(), rel=1e-6)
        assert getattr(found, f"{name}_z") == pytest.approx((observed - others.mean()) / others.std(), rel=1e-4)
        assert getattr(found, f"{name}_p") == pytest.approx((1 + (others >= observed).sum()) / 41)
    assert found.permutations == 40


def test_traces_stay_among_their_kind(grid: Callable[..., Subgraph]) -> None:
    border = grid(frames=8).border
    orders = module._arrangements(border, 300, np.random.default_rng(0))
    assert (orders[0] == np.arange(len(border))).all()
    assert (np.sort(orders, axis=1) == np.arange(len(border))).all()
    assert (border[orders] == border).all()
    inner = np.flatnonzero(~border)
    assert all(set(orders[:, position]) == set(inner) for position in inner)


def test_p_is_uniform_where_contacts_mean_nothing(grid: Callable[..., Subgraph]) -> None:
    """Exchangeable traces with a common light flicker: p is uniform on its 20 values, for both statistics."""
    found = []
    for seed in range(240):
        rng = np.random.default_rng(seed)
        culture = grid(rows=4, columns=5, frames=60, seed=seed)
        culture.intensity[:] += rng.standard_normal(60).cumsum() * 0.05 + (rng.random((20, 60)) < 0.03)
        found.append(of(culture, permutations=19, seed=seed + 1))
    for p in (np.array([each.k_p for each in found]), np.array([each.sync_p for each in found])):
        counts = np.bincount(np.rint(20 * p).astype(int), minlength=21)
        assert counts[0] == 0
        assert counts.sum() == 240
        assert stats.chisquare(counts[1:]).pvalue > 1e-3


def test_over_all_arrangements_of_three_cells_every_rank_comes_once(grid: Callable[..., Subgraph]) -> None:
    culture = grid(rows=3, columns=5, frames=60, seed=5)
    inner = np.flatnonzero(~culture.border)
    orders = np.tile(np.arange(15), (6, 1))
    orders[:, inner] = list(itertools.permutations(inner))
    op = operator(culture, "distance*border")
    for values in (
        coupling_statistic.couplings(culture.intensity, op, orders, 10.0, silent),
        synchrony_statistic.synchronies(culture.intensity, culture.pairs, orders, silent),
    ):
        rng = np.random.default_rng(0)
        p = [module._compare(np.array([values[i], *np.delete(values, i)]), rng).p for i in range(6)]
        assert sorted(p) == pytest.approx(np.arange(1, 7) / 6)


def test_ties_are_split_at_random() -> None:
    p = np.array([module._compare(np.zeros(10), np.random.default_rng(seed)).p for seed in range(2000)])
    counts = np.bincount(np.rint(10 * p).astype(int), minlength=11)[1:]
    assert stats.chisquare(counts).pvalue > 1e-3
    rng = np.random.default_rng(0)
    some = module._compare(np.array([1.0, 2.0, 1.0 + 1e-14, 0.0]), rng)
    assert (some.observed, some.mean) == (1.0, pytest.approx(1.0))
    assert some.p in (0.5, 0.75)
    assert some.z == pytest.approx(0)
    assert some.sd > 0


def test_mirrored_positions_tie(grid: Callable[..., Subgraph]) -> None:
    """Two inner cells of a graph that looks the same with them exchanged, border alike: nothing but ties."""
    culture = grid(rows=3, columns=4, frames=60, seed=1)
    culture.intensity[culture.border] = culture.intensity[0]
    p = {of(culture, permutations=9, seed=seed).k_p for seed in range(60)}
    assert len(p) == 10


def test_cells_that_never_change_count_as_uncorrelated(grid: Callable[..., Subgraph]) -> None:
    culture = grid(frames=60, seed=2)
    culture.intensity[[7, 8, 14]] = 0.1
    culture.intensity[15] = 1e4 + 1e-3 * np.arange(60)
    found = of(culture, permutations=20)
    still = np.isin(culture.pairs, [7, 8, 14, 15]).any(axis=1)
    lively = slow_synchrony(culture.intensity, culture.pairs[~still]) * (~still).sum() / len(culture.pairs)
    assert found.sync == pytest.approx(lively, abs=1e-7)
    assert np.isfinite([found.k, found.k_mean, found.k_sd, found.k_z, found.k_p, found.sync_z, found.sync_p]).all()
    culture.intensity[:] = 0.3
    still_all = of(culture, permutations=20)
    assert (still_all.k, still_all.k_z, still_all.sync, still_all.sync_z) == (0, 0, 0, 0)
    assert 0 < still_all.k_p <= 1


def test_k_is_near_the_truth_and_not_boxed(grid: Callable[..., Subgraph]) -> None:
    for k in (0.004, 0.01, 0.03):
        culture = make_culture(SyntheticOptions(k=k, size_px=256, seed=11))
        graph = culture.subgraph()
        found = permutation_test(graph.intensity, culture.operator(), graph.pairs, graph.border, 10.0, permutations=99)
        assert found.k == pytest.approx(k, rel=0.1)
        assert found.k_p == 0.01
        assert abs(found.k_mean) < 0.4 * k
    negative = [of(grid(frames=80, seed=seed), permutations=1).k for seed in range(12)]
    assert min(negative) < 0 < max(negative)


@pytest.mark.parametrize(
    "options",
    [
        {"k": 0.003},
        {"k": 0.01, "spikes": 8, "trace_noise": 0.01},
        {"k": 0.01, "frame_interval_s": 2.0},
        {"k": 0.1, "frame_interval_s": 20.0},
    ],
)
def test_coupling_is_found(options: dict[str, float]) -> None:
    for seed in (21, 22):
        culture = make_culture(SyntheticOptions(size_px=256, seed=seed, **options))
        graph = culture.subgraph()
        dt = graph.frame_interval_s
        found = permutation_test(graph.intensity, culture.operator(), graph.pairs, graph.border, dt, permutations=99)
        assert found.k_p == 0.01
        assert found.k_z > 6


def test_a_common_signal_is_in_the_permutations_too(grid: Callable[..., Subgraph]) -> None:
    culture = grid(frames=200, seed=4)
    culture.intensity[:] = np.random.default_rng(1).standard_normal((30, 200))
    culture.intensity[:] += 3 * np.random.default_rng(0).standard_normal(200)
    found = of(culture)
    assert found.sync > 0.8
    assert abs(found.sync - found.sync_mean) < 0.02
    assert found.sync_p > 0.01


def test_fewer_equations_where_more_cells_follow_the_data(grid: Callable[..., Subgraph]) -> None:
    culture = grid(rows=7, columns=8, frames=80, seed=6)
    one, two = of(culture, permutations=20), of(culture, setup=2, permutations=20)
    assert one.k != two.k
    assert one.sync == two.sync


def test_short_recordings_and_blocks(grid: Callable[..., Subgraph], monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.isfinite(of(grid(frames=8), permutations=5).k)
    culture = grid(frames=50, seed=9)
    whole = of(culture, permutations=30)
    monkeypatch.setattr(synchrony_statistic, "BLOCK", 100)
    monkeypatch.setattr(coupling_statistic, "ROWS", 5)
    parts = of(culture, permutations=30)
    assert parts.sync == pytest.approx(whole.sync, rel=1e-12)
    assert parts.k == pytest.approx(whole.k, rel=1e-9)
    assert (parts.k_p, parts.sync_p) == (whole.k_p, whole.sync_p)


def test_progress_ends_at_the_total(grid: Callable[..., Subgraph]) -> None:
    seen: list[tuple[str, int, int]] = []
    culture = grid(frames=20)
    op = operator(culture, "uniform")
    permutation_test(culture.intensity, op, culture.pairs, culture.border, 10.0, 5, 0, lambda *step: seen.append(step))
    assert {stage for stage, done, total in seen if done == total} == {"null coupling", "null synchrony"}


def test_what_makes_no_null(grid: Callable[..., Subgraph]) -> None:
    culture = grid(frames=20)
    op = operator(culture, "uniform")
    rest = (op, culture.pairs, culture.border, 10.0)
    with pytest.raises(FitError, match="0 permutations make no null"):
        permutation_test(culture.intensity, *rest, permutations=0)
    with pytest.raises(FitError, match="at least 8 frames, not 7"):
        permutation_test(culture.intensity[:, :7], *rest)
    with pytest.raises(FitError, match="needs contacts"):
        permutation_test(culture.intensity, op, culture.pairs[:0], culture.border, 10.0)
    with pytest.raises(FitError, match="finite"):
        permutation_test(np.where(culture.intensity > 0.6, np.nan, culture.intensity), *rest)


THREADS = """
import numpy as np
from calcigraph.models import SyntheticOptions, make_culture
from calcigraph.models.permutation import permutation_test
culture = make_culture(SyntheticOptions(cells=300, frames=2, size_px=420))
graph = culture.subgraph()
traces = np.random.default_rng(0).standard_normal((300, 301))
print(repr(permutation_test(traces, culture.operator(), graph.pairs, graph.border, 10.0, 10)))
"""


def test_threads_change_nothing() -> None:
    outputs = set()
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, threads)
        run = subprocess.run(
            [sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, check=True
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1
