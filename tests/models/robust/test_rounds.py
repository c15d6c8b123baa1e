"""Model `robust` finds the coupling of cultures whose truth is known, and takes whatever traces it is given."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from calcigraph.errors import FitError
from calcigraph.models import CASES, FitOptions, SyntheticOptions, fit, make_culture, operator, simulate
from calcigraph.models.robust import batches, bootstrap

QUICK = FitOptions(null=0)


@cache
def culture(**options):
    return make_culture(SyntheticOptions(size_px=256, **options))


def graph(**options):
    return culture(**options).subgraph()


@pytest.fixture
def few_simulations(monkeypatch):
    """Simulate few cultures: enough where intervals are not the point."""
    monkeypatch.setattr(bootstrap, "BOOTSTRAP_CELLS", 150)


@pytest.fixture(scope="module")
def small():
    """49 cells, of which 25 are driven; 120 frames."""
    return graph(cells=49, frames=120, seed=41)


def driven_culture(grid, frames=240, k=0.02, leak=0.0, noise=0.002, seed=3, rows=6, columns=7):
    """A grid with slow border cells whose inner cells obey the model exactly, leak included, and spike."""
    rng = np.random.default_rng(seed)
    culture = grid(rows=rows, columns=columns, frames=frames, seed=seed)
    time = np.arange(frames) * culture.frame_interval_s
    period, phase = rng.uniform(200, 900, (2, len(culture.labels), 1)), rng.uniform(0, 6, (2, len(culture.labels), 1))
    traces = 0.5 + 0.1 * (np.sin(2 * np.pi * time / period + phase)).sum(axis=0)
    op = operator(culture, "distance*border")
    source = np.zeros((len(op.inner), frames - 1))
    for row in source:
        for start in rng.integers(0, frames - 4, 2):
            row[start : start + 3] += 0.005
    feed = rng.normal(2e-5, 2e-5, len(op.inner))
    traces[op.inner] = simulate(op, k, feed, traces, culture.frame_interval_s, leak, source)
    return replace(culture, intensity=traces + noise * rng.standard_normal(traces.shape))


@pytest.mark.parametrize(("k", "seed"), [(0.004, 51), (0.01, 52), (0.03, 53)])
def test_k_and_feeds_are_recovered(k, seed):
    made = culture(k=k, seed=seed)
    found = fit(made.subgraph(), options=QUICK)
    inner = ~made.border
    assert found.k == pytest.approx(k, rel=0.01)
    assert found.k_low < found.k < found.k_high
    low, high = found.facts["k_statistical"]
    assert found.k_low <= low
    assert high <= found.k_high
    assert high - low < 0.05 * k
    assert found.identified == "identified"
    assert np.corrcoef(found.cells["feed"], made.feed[inner])[0, 1] > 0.95
    cells = np.abs(found.cells["k_cell"] / k - 1)
    assert np.median(cells) < 0.04
    inside = (found.cells["k_cell_low"] <= k) & (k <= found.cells["k_cell_high"])
    assert inside.mean() > 0.8
    feeds = (found.cells["feed_low"] <= made.feed[inner]) & (made.feed[inner] <= found.cells["feed_high"])
    assert feeds.mean() > 0.8


@pytest.mark.usefixtures("few_simulations")
@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"k": 0.01, "spike_shape": "decay", "spike_decay_s": 80.0}, 0.02),
        ({"k": 0.01, "spikes": 8, "trace_noise": 0.01}, 0.04),
        ({"k": 0.08}, 0.06),
        ({"k": 0.01, "spike_shape": "extrusion"}, 0.02),
        ({"k": 0.01, "spikes": 0, "trace_noise": 0.0}, 0.01),
    ],
)
def test_k_is_recovered_from_harder_cultures(options, limit):
    found = fit(graph(seed=61, **options), options=QUICK)
    assert found.k == pytest.approx(options["k"], rel=limit)
    assert found.k_low < found.k < found.k_high


@pytest.mark.usefixtures("few_simulations")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("no_feed", [False, True])
def test_every_case_holds_what_it_promises(small, case, no_feed):
    found = fit(small, options=FitOptions(case=case, no_feed=no_feed, null=0))
    cells = found.cells
    assert np.isfinite(cells["k"]).all()
    assert (cells["k_low"] <= cells["k"]).all()
    assert (cells["k"] <= cells["k_high"]).all()
    assert np.isfinite(cells["k_cell_low"]).all()
    assert (np.unique(cells["k"]).size == 1) == (case in ("shared", "per-cell"))
    if case in ("cell", "per-cell-k"):
        assert np.array_equal(cells["k"], cells["k_cell"])
    if no_feed:
        assert found.feed is None
        assert np.isnan(cells["feed"]).all()
    else:
        assert (np.unique(cells["feed"]).size == 1) == (case == "shared")
        assert found.feed_low <= found.feed <= found.feed_high
        assert found.k == pytest.approx(0.01, rel=0.1 if case == "per-cell" else 0.25)
    assert found.k_low <= found.k <= found.k_high


@pytest.mark.usefixtures("few_simulations")
def test_without_a_feed_k_is_found_where_there_is_none(grid):
    made = graph(cells=81, frames=240, feed_mean=0.0, feed_spread=0.0, seed=42)
    assert fit(made, options=FitOptions(no_feed=True, null=0)).k == pytest.approx(0.01, rel=0.02)


def test_one_shared_feed_is_found_where_there_is_one():
    made = graph(cells=81, frames=240, feed_mean=8e-5, feed_spread=0.0, seed=43)
    found = fit(made, options=FitOptions(case="shared", null=0))
    assert found.k == pytest.approx(0.01, rel=0.03)
    assert found.feed == pytest.approx(8e-5, abs=1e-5)
    assert found.feed_low < 8e-5 < found.feed_high


@pytest.mark.parametrize("leak", [0.0, 0.003, 0.01])
def test_a_leak_is_recovered(grid, leak):
    made = driven_culture(grid, leak=leak)
    found = fit(made, options=FitOptions(leak=True, null=0))
    assert found.k == pytest.approx(0.02, rel=0.05)
    assert found.cells["leak"][0] == pytest.approx(leak, abs=2e-4)
    assert np.unique(found.cells["leak"]).size == 1


@pytest.mark.usefixtures("few_simulations")
def test_a_leak_left_out_spoils_k_so_it_is_asked_for(grid):
    culture = driven_culture(grid, leak=0.01)
    left_out = fit(culture, options=replace(QUICK, leak=False))
    assert "leak" not in left_out.cells
    assert abs(left_out.k / 0.02 - 1) > 0.05
    asked = fit(culture, options=QUICK)
    assert asked.cells["leak"][0] == pytest.approx(0.01, rel=0.02)
    assert asked.k == pytest.approx(0.02, rel=0.02)


@pytest.mark.usefixtures("few_simulations")
@pytest.mark.parametrize("setup", [2, 3])
def test_deeper_setups_fit_the_cells_that_are_left(setup):
    made = graph(k=0.01, seed=52)
    found = fit(made, options=FitOptions(setup=setup, null=0))
    assert 0 < len(found.labels) < 72
    assert found.k == pytest.approx(0.01, rel=0.03)


@pytest.mark.usefixtures("few_simulations")
@pytest.mark.parametrize("half_width", [1.0, 4.0, 12.0])
def test_a_half_width_is_used_as_given(small, half_width):
    found = fit(small, options=FitOptions(half_width=half_width, null=0))
    assert found.facts["half_width_frames"] == pytest.approx(half_width)
    assert found.settings["half_width"] == half_width
    assert found.k == pytest.approx(0.01, rel=0.05)


@pytest.mark.usefixtures("few_simulations")
def test_the_correction_matters_where_noise_attenuates():
    made = graph(k=0.03, trace_noise=0.02, cells=81, seed=62)
    corrected = fit(made, options=QUICK)
    plain = fit(made, options=FitOptions(correct=False, null=0))
    assert plain.settings["correct"] is False
    assert plain.facts["tails"] is False
    assert corrected.facts["noise_share"] > 0.03
    assert abs(corrected.k / 0.03 - 1) < 0.05
    assert plain.k < corrected.k


@pytest.mark.parametrize("seed", [71, 72])
def test_an_uncoupled_culture_has_no_coupling(seed):
    found = fit(graph(k=0.0, seed=seed), options=QUICK)
    assert found.k < 3e-4
    assert found.k_low == 0
    assert found.identified != "identified"


def test_uncoupled_cells_do_not_pull_the_others_and_are_found():
    made = culture(k=0.02, uncoupled=8, seed=73)
    found = fit(made.subgraph(), options=QUICK)
    assert found.k == pytest.approx(0.02, rel=0.01)
    alone = np.isin(found.labels, [label for label, what in made.planted if what == "uncoupled"])
    assert alone.sum() == 8
    assert (found.cells["k_cell"][alone] < 0.004).all()
    assert (found.cells["k_cell_high"][alone] < found.k).all()
    assert np.median(found.cells["k_cell"][~alone]) == pytest.approx(0.02, rel=0.02)


def test_a_cell_without_contacts_has_no_k(small):
    inner = int(np.flatnonzero(~small.border)[4])
    keep = (small.pairs != inner).all(axis=1)
    lonely = replace(
        small,
        pairs=small.pairs[keep],
        shared_border_px=small.shared_border_px[keep],
        centroid_distance_px=small.centroid_distance_px[keep],
    )
    found = fit(lonely, options=QUICK)
    row = int(np.flatnonzero(found.labels == small.labels[inner])[0])
    for name in ("k", "k_low", "k_high", "k_cell", "k_cell_low", "k_cell_high"):
        assert np.isnan(found.cells[name][row])
        assert np.isfinite(np.delete(found.cells[name], row)).all()
    assert np.isfinite(found.cells["feed"][row])
    assert found.words["identified"][row] == "not identified"
    assert "no contacts" in found.words["why"][row]
    assert str(found.labels[row]) in " ".join(found.advice)
    assert found.k == pytest.approx(0.01, rel=0.1)


@pytest.mark.usefixtures("few_simulations")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("count", [1, 10])
def test_cells_that_never_change_do_no_harm(small, case, count):
    traces = small.intensity.copy()
    rows = np.flatnonzero(~small.border)[:count]
    traces[rows] = 0.5
    found = fit(replace(small, intensity=traces), options=FitOptions(case=case, null=0))
    assert np.isfinite(found.k)
    known = np.isfinite(found.cells["k"])
    assert all(word == "not identified" for word in np.array(found.words["identified"])[~known])
    if case not in ("cell", "per-cell-k"):  # else a cell whose neighbours stand still may have nothing to tell its k
        assert known.all()
        assert np.isfinite(found.cells["feed"]).all()
    elif count == 1:
        assert known.mean() > 0.9


def test_a_culture_that_never_changes_is_refused(small):
    still = replace(small, intensity=np.full_like(small.intensity, 0.5))
    with pytest.raises(FitError, match="ever changes"):
        fit(still, options=QUICK)


def test_traces_without_any_noise_give_k_almost_exactly(grid):
    found = fit(driven_culture(grid, noise=0.0), options=QUICK)
    assert found.k == pytest.approx(0.02, rel=2e-3)
    assert found.k_low <= found.k <= found.k_high


@pytest.mark.usefixtures("few_simulations")
@pytest.mark.parametrize(("scale", "offset"), [(1000.0, 5.0), (1e-3, 0.0), (1.0, 1e4), (6e4, 3e3)])
def test_units_do_not_matter(small, scale, offset):
    plain = fit(small, options=QUICK)
    other = fit(replace(small, intensity=scale * small.intensity + offset), options=QUICK)
    assert other.k == pytest.approx(plain.k, rel=1e-5)
    assert other.k_high == pytest.approx(plain.k_high, rel=1e-4)
    np.testing.assert_allclose(other.cells["feed"], scale * plain.cells["feed"], rtol=1e-3, atol=scale * 1e-9)
    assert other.identified == plain.identified
    assert other.words["identified"] == plain.words["identified"]


@pytest.mark.usefixtures("few_simulations")
@pytest.mark.parametrize("step", [1e-3, 1e-2, 0.05])
def test_quantised_traces(small, step):
    found = fit(replace(small, intensity=np.round(small.intensity / step) * step), options=QUICK)
    assert np.isfinite([found.k, found.k_low, found.k_high]).all()
    if step > 0.02:  # steps larger than most of what the cells do
        assert found.identified != "identified"
    else:
        assert found.k == pytest.approx(0.01, rel=0.03 if step < 5e-3 else 0.3)


@pytest.mark.usefixtures("few_simulations")
def test_single_precision_traces(small):
    plain = fit(small, options=QUICK)
    found = fit(replace(small, intensity=small.intensity.astype(np.float32).astype(np.float64)), options=QUICK)
    assert found.k == pytest.approx(plain.k, rel=1e-3)


@pytest.mark.usefixtures("few_simulations")
@pytest.mark.parametrize("frames", [12, 13, 14, 16, 20, 30])
@pytest.mark.parametrize("case", ["per-cell", "cell"])
def test_short_recordings_give_some_answer(small, frames, case):
    found = fit(replace(small, intensity=small.intensity[:, :frames]), options=FitOptions(case=case, null=0))
    assert found.k >= 0
    assert found.k_low <= found.k <= found.k_high
    assert set(found.words["identified"]) <= {"identified", "weak", "not identified"}


def test_too_few_frames_are_refused(small):
    with pytest.raises(FitError, match="11 frames to train on; model robust needs at least 12"):
        fit(replace(small, intensity=small.intensity[:, :11]), options=QUICK)


@pytest.mark.usefixtures("few_simulations")
@pytest.mark.parametrize("seed", range(3))
def test_noise_alone_gives_some_answer(grid, seed):
    noise = np.random.default_rng(seed).standard_normal((30, 60))
    found = fit(replace(grid(frames=60), intensity=noise), options=QUICK)
    assert found.identified != "identified"
    assert found.k_low <= found.k <= found.k_high


@pytest.mark.usefixtures("few_simulations")
def test_threads_do_not_change_a_bit(small, monkeypatch):
    import dask

    monkeypatch.setattr(batches, "BATCH_CELLS", 10)
    plain = fit(small, options=QUICK)
    for workers in (1, 7):
        with dask.config.set(num_workers=workers):
            other = fit(small, options=QUICK)
        assert (other.k, other.k_low, other.k_high) == (plain.k, plain.k_low, plain.k_high)
        for name, values in plain.cells.items():
            np.testing.assert_array_equal(values, other.cells[name])


@pytest.mark.usefixtures("few_simulations")
@pytest.mark.parametrize("size", [1, 7])
def test_the_size_of_a_batch_changes_little(small, monkeypatch, size):
    plain = fit(small, options=QUICK)
    monkeypatch.setattr(batches, "BATCH_CELLS", size)
    other = fit(small, options=QUICK)
    assert other.k == pytest.approx(plain.k, rel=0.01)
    assert np.nanmedian(np.abs(other.cells["k_cell"] / plain.cells["k_cell"] - 1)) < 0.02


def test_the_seed_moves_the_interval_only(small):
    first, second = (fit(small, options=FitOptions(null=0, seed=seed)) for seed in (0, 1))
    assert first.k == second.k
    assert first.k_high != second.k_high
    assert first.k_high == pytest.approx(second.k_high, rel=0.05)


@pytest.mark.usefixtures("few_simulations")
def test_the_order_of_cells_does_not_matter(small):
    order = np.random.default_rng(0).permutation(len(small.labels))
    position = np.argsort(order)
    pairs = np.sort(position[small.pairs], axis=1)
    shuffled = replace(
        small, x_px=small.x_px[order], y_px=small.y_px[order], border=small.border[order],
        intensity=small.intensity[order], pairs=pairs,
        area_px=small.area_px[order],
    )  # fmt: skip
    first, second = fit(small, options=QUICK), fit(shuffled, options=QUICK)
    assert second.k == pytest.approx(first.k, rel=1e-9)
    inner = np.flatnonzero(~small.border[order])
    rank = np.searchsorted(np.flatnonzero(~small.border), order[inner])
    np.testing.assert_allclose(second.cells["k_cell"], first.cells["k_cell"][rank], rtol=1e-7)
