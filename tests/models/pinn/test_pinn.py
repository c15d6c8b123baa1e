"""The PINN on cultures whose coupling and feeds are known, and the parts it is made of."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from calcigraph.errors import FitError, MissingExtraError
from calcigraph.models import Operator, SyntheticOptions, make_culture, simulate
from calcigraph.models.consensus import matrix, sub_operator
from calcigraph.models.estimate import Estimate
from calcigraph.models.pinn.blocks import combine, fit_block, fit_group, plan_blocks
from calcigraph.models.pinn.interval import Members, estimates
from calcigraph.models.pinn.network import features
from calcigraph.models.pinn.options import PinnOptions
from calcigraph.models.pinn.result import PinnBlock, PinnFit, PinnHistory
from calcigraph.models.pinn.setting import Setting
from calcigraph.models.scale import noise_level

DT, K = 10.0, 0.012


def culture(**changes):
    options = {"cells": 40, "frames": 121, "size_px": 256, "k": K, "seed": 77} | changes
    return make_culture(SyntheticOptions(**options))


@pytest.fixture(scope="module")
def torch():
    module = pytest.importorskip("torch")
    before = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(before)


@pytest.fixture(scope="module")
def two_starts(torch):
    """The same culture from a third and from three times its coupling."""
    made = culture()
    op = made.operator()
    return made, [
        fit_group(made.traces, op, DT, PinnOptions(k_start=K * factor, epochs=150, ensemble=3)) for factor in (1 / 3, 3)
    ]


def test_finds_k_and_feeds_from_a_third_and_from_three_times_the_truth(two_starts):
    made, fits = two_starts
    op = made.operator()
    for found in fits:
        assert found.converged
        assert abs(found.k.value[0] / K - 1) < 0.05
        assert np.all(found.k.value == found.k.value[0])
        assert np.corrcoef(found.feed.value, made.feed[op.inner])[0, 1] > 0.9
    assert abs(fits[0].k.value[0] / fits[1].k.value[0] - 1) < 0.01


def test_k_per_cell_and_intervals(two_starts):
    made, (found, _) = two_starts
    feed = made.feed[made.operator().inner]
    assert np.median(np.abs(found.k_cell.value / K - 1)) < 0.05
    assert found.k.low[0] < K < found.k.high[0]
    assert (found.k.high - found.k.low)[0] < 0.1 * K
    for low, truth, high in ((found.feed.low, feed, found.feed.high), (found.k_cell.low, K, found.k_cell.high)):
        assert np.mean((low < truth) & (truth < high)) > 0.8


def test_fitted_traces_are_nearer_to_the_truth_than_the_data(two_starts):
    made, (found, _) = two_starts
    inner = made.operator().inner
    truth, data = made.intensity[inner], made.traces[inner]
    assert np.median(np.abs(found.traces - truth)) < 0.8 * np.median(np.abs(data - truth))


def test_history_shows_the_path(two_starts):
    _, (low, high) = two_starts
    for found, factor in ((low, 1 / 3), (high, 3)):
        (history,) = found.history
        steps = len(history.epoch)
        assert history.k.shape == (3, steps)
        assert history.data_loss.shape == history.physics_loss.shape == history.feed.shape == (steps,)
        assert history.k[0, 0] == pytest.approx(K * factor, rel=0.15)
        assert history.k[:, -1] == pytest.approx(K, rel=0.05)
        assert history.physics_loss[-1] < history.physics_loss[0]


def test_same_seed_same_fit_and_progress_is_told(torch):
    made, told = culture(cells=25, frames=40), []
    op, options = made.operator(), PinnOptions(epochs=4, ensemble=2)
    one, two = (
        fit_group(made.traces, op, DT, options, progress=lambda *step: told.append(step)) for _ in range(2)
    )  # fmt: skip
    other = fit_group(made.traces, op, DT, replace(options, seed=1))
    np.testing.assert_array_equal(one.feed.value, two.feed.value)
    assert not np.array_equal(one.feed.value, other.feed.value)
    assert told[-1][1] == told[-1][2] > 0
    assert not one.converged or one.advice == ()


def test_case_cell_finds_a_cell_that_is_not_coupled(torch):
    made = culture(spikes=0)
    op = made.operator()
    k = np.full(len(op.inner), K)
    k[3] = 0.0
    traces = made.intensity.copy()
    traces[op.inner] = simulate(op, k, made.feed[op.inner], traces, DT)
    traces += 0.002 * np.random.default_rng(0).standard_normal(traces.shape)
    alone = fit_group(traces, op, DT, PinnOptions(ensemble=3, epochs=120), "cell")
    group = fit_group(traces, op, DT, PinnOptions(ensemble=3, epochs=120), "per-cell")
    for found in (alone.k.value, group.k_cell.value):
        assert found[3] < K / 4
        assert np.median(np.abs(found / K - 1)) < 0.05
    assert group.k_cell.high[3] < K / 2
    np.testing.assert_array_equal(alone.k.value, alone.k_cell.value)


def test_shared_feed_and_no_feed(torch):
    made = culture(feed_spread=0, feed_mean=4e-5)
    op, options = made.operator(), PinnOptions(ensemble=1, epochs=100)
    shared = fit_group(made.traces, op, DT, options, "shared")
    assert shared.k.value[0] == pytest.approx(K, rel=0.05)
    assert np.ptp(shared.feed.value) == 0
    assert shared.feed.value[0] == pytest.approx(4e-5, rel=0.2)
    without = fit_group(made.traces, op, DT, replace(options, epochs=2), "shared", no_feed=True)
    assert np.isnan(without.feed.value).all()
    assert not without.history[0].feed.any()


def test_blocks_find_what_the_whole_finds(torch, monkeypatch):
    made = culture()
    op, options = made.operator(), PinnOptions(ensemble=2, epochs=100)
    monkeypatch.setattr("calcigraph.models.pinn.blocks.BLOCK_CELLS", -(-len(op.inner) // 2))
    blocks = plan_blocks(op, 121)
    assert len(blocks) == 2
    setting = Setting(dt=DT, options=options, case="per-cell")
    fits = [fit_block(block, made.traces, op, setting) for block in blocks]
    found = combine(blocks, fits, op)
    assert found.k.value[0] == pytest.approx(K, rel=0.05)
    assert min(fit.k.value[0] for fit in fits) <= found.k.value[0] <= max(fit.k.value[0] for fit in fits)
    assert found.traces.shape == (len(op.inner), 121)
    assert np.isfinite(found.traces).all()
    assert np.corrcoef(found.feed.value, made.feed[op.inner])[0, 1] > 0.8
    assert len(found.history) == 2


def test_a_plan_takes_every_cell_and_frame_once(monkeypatch):
    op = culture().operator()
    monkeypatch.setattr("calcigraph.models.pinn.blocks.BLOCK_CELLS", 5)
    seen = np.zeros((len(op.inner), 1500), dtype=int)
    for block in plan_blocks(op, 1500):
        assert len(block.cells) <= 5
        assert 12 <= block.last - block.first <= 720
        seen[block.cells, block.first : block.last] += 1
    assert np.all(seen == 1)
    assert len(plan_blocks(op, 1500, PinnOptions(preset="paper"))) == 1


def test_a_block_keeps_the_operator_of_its_cells():
    made = culture()
    op, cells = made.operator(), np.array([1, 4, 5])
    rows, part = sub_operator(op, cells)
    np.testing.assert_allclose(part.apply(made.traces[rows]), op.apply(made.traces)[cells])
    np.testing.assert_allclose(matrix(part) @ made.traces[rows], op.apply(made.traces)[cells])
    np.testing.assert_array_equal(rows[part.inner], op.inner[cells])


def block_fit(k, half, feed, cells):
    ones, unknown = np.ones(cells), np.full(cells, np.nan)
    history = PinnHistory(
        epoch=np.arange(1), data_loss=np.zeros(1), physics_loss=np.zeros(1), k=np.zeros((1, 1)), feed=np.zeros(1)
    )
    return PinnFit(
        k=Estimate.around(k * ones, half * ones),
        feed=Estimate.around(feed * ones, ones),
        k_cell=Estimate(value=unknown, low=unknown, high=unknown),
        traces=np.zeros((cells, 20)),
        history=(history,),
        converged=True,
        advice=(),
    )


def test_combine_weighs_by_precision_and_widens_where_blocks_disagree():
    op = culture().operator()
    p = len(op.inner)
    blocks = [PinnBlock(cells=cells, first=0, last=20) for cells in (np.arange(3), np.arange(3, p))]
    agreeing = combine(blocks, [block_fit(1.0, 0.1, 5, 3), block_fit(1.1, 0.2, 7, p - 3)], op)
    assert agreeing.k.value[0] == pytest.approx((1.0 / 0.01 + 1.1 / 0.04) / (1 / 0.01 + 1 / 0.04))
    assert agreeing.k.high[0] - agreeing.k.value[0] == pytest.approx((1 / 0.01 + 1 / 0.04) ** -0.5)
    np.testing.assert_array_equal(agreeing.feed.value, [5] * 3 + [7] * (p - 3))
    apart = combine(blocks, [block_fit(1.0, 0.1, 5, 3), block_fit(2.0, 0.1, 7, p - 3)], op)
    assert apart.k.high[0] > 2.0


def test_features_are_those_of_the_frame_rate_and_their_slope_is_right():
    time, step = np.linspace(0, 39, 79), 1e-6
    value, slope = features(time, 40)
    numeric = (features(time + step, 40)[0] - features(time - step, 40)[0]) / (2 * step)
    np.testing.assert_allclose(slope, numeric, atol=1e-8)
    assert np.abs(slope).max() == pytest.approx(np.pi, rel=0.03)  # half a turn a frame
    np.testing.assert_array_equal(value[[0, -1], 0], [-1, 1])


def test_the_networks_slope_is_its_derivative(torch):
    from calcigraph.models.pinn.network import start

    made = culture(cells=25, frames=40)
    op = made.operator()
    problem, network = start(made.traces, op, Setting(dt=DT, options=PinnOptions(), case="per-cell"), scale=0.05)
    with torch.no_grad():
        network.last.normal_(0, 0.1)
        slope = network.evaluate(problem)[1].double()
        step = 1e-2
        sides = []
        for sign in (1, -1):
            at = features(np.arange(79) / 2 + sign * step, 40)[0]
            moved = replace(problem, features=torch.tensor(at, dtype=torch.float32))
            sides.append(network.evaluate(moved)[0][..., : len(op.inner)].double())
    numeric = (sides[0] - sides[1]) / (2 * step)
    assert (slope - numeric).abs().max() < 0.01 * numeric.abs().max()


def test_noise_level_is_that_of_the_traces():
    made = culture(trace_noise=0.004)
    assert np.median(noise_level(made.traces)) == pytest.approx(0.004, rel=0.15)


def test_estimates_take_off_what_noise_does():
    """With a bias of -4 % that doubles with the noise, most of it goes and the truth is inside."""
    rng, p = np.random.default_rng(0), 50
    k = np.array([0.96, *(0.92 + 0.002 * rng.standard_normal(3))])[:, None]
    consensus = rng.standard_normal((100, p)) + 2
    members = Members(
        k=k,
        feed=-2 * k * np.ones(p),
        k_cell=k * np.ones(p),
        feed_cell=np.ones((4, p)),
        weight=np.ones((100, p)),
        consensus=consensus,
        noise=np.ones(p),
    )
    found = estimates(members, np.ones(p, dtype=bool), dt=1.0, scale=1.0)
    assert 0.98 < found.k.value[0] < 1.0 < found.k.value[0] + found.k.half[0]
    np.testing.assert_allclose(found.feed.value, -1.92 - consensus.mean(axis=0) * (found.k.value[0] - 0.96))
    assert found.k.half[0] > 1.96 * 0.4 * 0.04


def test_paper_preset_runs_and_fails_as_described(torch):
    made = culture(cells=25, frames=60)
    op = made.operator()
    found = fit_group(made.traces, op, DT, PinnOptions(preset="paper", k_start=K / 3, epochs=30))
    assert not 0.8 < found.k.value[0] / K < 1.25
    assert found.traces.shape == (len(op.inner), 60)
    assert np.isnan(found.k.low).all()
    assert found.history[0].k.shape == (1, 30)
    assert found.history[0].data_loss[-1] < found.history[0].data_loss[0]
    assert any("no interval" in word for word in found.advice)


@pytest.mark.parametrize(("case", "sizes"), [("cell", "one per cell"), ("shared", "one"), ("per-cell", "one")])
def test_paper_preset_has_the_papers_parameters(torch, case, sizes):
    made = culture(cells=25, frames=20, k=0.02)
    found = fit_group(made.traces, made.operator(), DT, PinnOptions(preset="paper", epochs=2), case)
    assert (np.ptp(found.k.value) > 0) == (sizes == "one per cell")
    assert (np.ptp(found.feed.value) > 0) == (case != "shared")


def test_a_cell_without_contacts_has_no_k(torch):
    op = culture(cells=25, frames=40).operator()
    loose = Operator(
        cells=op.cells + 1,
        inner=np.append(op.inner, op.cells),
        driven=op.driven,
        degree=np.append(op.degree, 0),
        start=np.append(op.start, op.start[-1]),
        neighbour=op.neighbour,
        weight=op.weight,
        scale=op.scale,
    )
    traces = np.random.default_rng(0).standard_normal((loose.cells, 40)).cumsum(axis=1)
    for case in ("per-cell", "cell"):
        found = fit_group(traces, loose, DT, PinnOptions(epochs=2, ensemble=3), case)
        assert np.isnan([found.k.value[-1], found.k.low[-1], found.k_cell.value[-1]]).all()
        assert np.isfinite(found.k.value[:-1]).all()
        assert np.isfinite(found.feed.value).all()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"preset": "best"}, "default, paper"),
        ({"device": "tpu"}, "auto, cpu, cuda"),
        ({"k_start": 0.0}, "above 0"),
        ({"k_start": float("nan")}, "above 0"),
        ({"epochs": 0}, "from 1 to"),
        ({"ensemble": 65}, "from 1 to 64"),
        ({"seed": -1}, "from 0 to"),
        ({"preset": "paper", "ensemble": 4}, "one network"),
    ],
)
def test_options_that_make_no_sense(options, word):
    with pytest.raises(FitError, match=word):
        PinnOptions(**options)


@pytest.mark.parametrize(
    ("spoil", "case", "word"),
    [
        (lambda traces: traces, "pair", "cell, shared, per-cell"),
        (lambda traces: traces[:, :8], "cell", "at least 12 frames"),
        (lambda traces: np.where(traces == traces[5, 5], np.nan, traces), "cell", "missing values"),
        (lambda traces: np.ones_like(traces), "cell", "do not vary"),
    ],
)
def test_traces_that_cannot_be_fitted(spoil, case, word):
    made = culture(cells=25, frames=20)
    with pytest.raises(FitError, match=word) as caught:
        fit_group(spoil(made.traces), made.operator(), DT, case=case)
    assert "\n" not in str(caught.value)


def test_without_torch_the_message_says_what_to_install(monkeypatch):
    made = culture(cells=25, frames=20)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'calcigraph\[pinn\]'"):
        fit_group(made.traces, made.operator(), DT)


def test_importing_it_does_not_import_torch():
    code = "import sys, calcigraph.models.pinn, calcigraph.models.pinn.interval; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_adam_steps_as_printed(torch):
    """Kingma and Ba's algorithm 1, for two tensors with their own step sizes."""
    from calcigraph.models.pinn.tensors import Adam

    steps, betas = [0.03, 0.001], (0.9, 0.95)
    tensors = [torch.linspace(-1, 1, 5, dtype=torch.float64).requires_grad_(True) for _ in steps]
    adam = Adam(tensors, betas)
    by_hand = [np.linspace(-1, 1, 5) for _ in steps]
    moments = [[0.0, 0.0] for _ in steps]
    for turn in range(1, 21):
        adam.step(sum(((one - 0.3) ** 4).sum() for one in tensors), steps)
        for number, size in enumerate(steps):
            gradient = 4 * (by_hand[number] - 0.3) ** 3
            for order, beta in enumerate(betas):
                moments[number][order] = beta * moments[number][order] + (1 - beta) * gradient ** (order + 1)
            mean, square = (moment / (1 - beta**turn) for moment, beta in zip(moments[number], betas, strict=True))
            by_hand[number] = by_hand[number] - size * mean / (np.sqrt(square) + 1e-8)
    for one, expected in zip(tensors, by_hand, strict=True):
        np.testing.assert_allclose(one.detach().numpy(), expected, rtol=1e-9)
