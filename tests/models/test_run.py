"""Fits of whole cultures: what they hold, what they refuse, and that workers do not change them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import dask
import numpy as np
import pytest

from calcigraph.errors import CalcigraphError, FitError, InputError
from calcigraph.models import CASES, FitOptions, fit, fitted_cells, operator, predict, run, simulate
from calcigraph.store.units import INNER_CONTACTS


@pytest.mark.parametrize("model", ["robust", "crlsm"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("no_feed", [False, True])
def test_what_a_fit_holds(grid, model, case, no_feed):
    culture = grid(frames=60)
    options = FitOptions(case=case, no_feed=no_feed, train_fraction=0.7, null=20)
    result = fit(culture, model, options)
    assert result.labels.tolist() == culture.labels[~culture.border].tolist()
    sides = {f"{name}{side}" for name in ("k", "feed", "k_cell") for side in ("", "_low", "_high")}
    leak = {"leak"} if "leak" in result.facts else set()
    assert set(result.cells) == sides | {"mse_train", "mse_test"} | leak
    assert {values.shape for values in result.cells.values()} == {(12,)}
    assert {len(words) for words in result.words.values()} == {12}
    assert set(result.words["identified"]) | {result.identified} <= {"identified", "weak", "not identified"}
    assert all((word == "identified") == (why == "") for word, why in words_and_why(result))
    assert (result.identified == "identified") == (not result.why)
    assert (result.feed is None) == (result.feed_low is None) == no_feed
    assert result.k_low <= result.k <= result.k_high
    for name in ("k", "k_cell") if no_feed else ("k", "k_cell", "feed"):
        low, value, high = (result.cells[f"{name}{side}"] for side in ("_low", "", "_high"))
        known = np.isfinite(low) & np.isfinite(high)
        assert ((low <= value) & (value <= high) | ~known).all(), name
        assert all(known[cell] for cell, word in enumerate(result.words["identified"]) if word == "identified")
    assert np.unique(result.cells["k"]).size == 1 or case in ("cell", "per-cell-k")
    assert np.unique(result.cells["feed"][np.isfinite(result.cells["feed"])]).size <= 1 or case != "shared"
    assert result.k == pytest.approx(np.nanmedian(result.cells["k"]), rel=1e-12)
    assert 0 < result.null_k_p <= 1
    assert json.loads(json.dumps(dict(result.settings), allow_nan=False)) == result.settings
    assert json.loads(json.dumps(dict(result.facts), allow_nan=False)) == result.facts


def words_and_why(result):
    return zip(result.words["identified"], result.words["why"], strict=True)


def test_own_k_of_crlsm_is_that_of_the_cell_alone(grid):
    culture = grid(frames=60)
    alone = fit(culture, "crlsm", FitOptions(case="cell", null=0))
    for case in CASES:
        result = fit(culture, "crlsm", FitOptions(case=case, null=0))
        assert np.array_equal(result.cells["k_cell"], alone.cells["k"])
        assert ((result.cells["k"] >= 0.001) & (result.cells["k"] <= 0.1)).all()


def test_no_null_when_none_is_wanted(grid):
    result = fit(grid(frames=60), options=FitOptions(null=0))
    assert result.null_k is None
    assert result.null_sync_p is None


def test_a_null_of_the_same_seed_is_the_same(grid):
    first, again, other = (fit(grid(frames=60), options=FitOptions(null=20, seed=seed)) for seed in (1, 1, 2))
    assert (first.null_k_mean, first.null_sync_mean) == (again.null_k_mean, again.null_sync_mean)
    assert first.null_k_mean != other.null_k_mean
    assert first.null_k == other.null_k


def test_mse_is_that_of_the_free_run_of_each_part(grid):
    culture = grid(frames=60)
    result = fit(culture, options=FitOptions(train_fraction=0.5, null=0))
    op = operator(culture, "distance*border")
    data, k, feed = culture.intensity[op.inner], result.k, result.cells["feed"]
    train = simulate(op, k, feed, culture.intensity, 10.0)[:, :30]
    test = simulate(op, k, feed, culture.intensity[:, 30:], 10.0)
    np.testing.assert_allclose(result.cells["mse_train"], ((train - data[:, :30]) ** 2).mean(axis=1))
    np.testing.assert_allclose(result.cells["mse_test"], ((test - data[:, 30:]) ** 2).mean(axis=1))
    assert result.mse_train == pytest.approx(((train - data[:, :30]) ** 2).mean())
    assert result.mse_test == pytest.approx(((test - data[:, 30:]) ** 2).mean())
    assert result.facts["train_frames"] == 30


def test_only_the_training_part_is_fitted(grid):
    culture = grid(frames=60)
    changed = culture.intensity.copy()
    changed[:, 30:] += np.random.default_rng(0).standard_normal(changed[:, 30:].shape)
    first, second = (
        fit(replace(culture, intensity=traces), options=FitOptions(train_fraction=0.5))
        for traces in (culture.intensity, changed)
    )
    assert np.array_equal(first.cells["feed"], second.cells["feed"])
    assert first.k == second.k
    assert first.mse_train == second.mse_train
    assert first.mse_test != second.mse_test


def test_train_fraction_one_leaves_no_test(grid):
    result = fit(grid())
    assert result.mse_test is None
    assert np.isnan(result.cells["mse_test"]).all()


def test_options_record_the_scale_and_the_step(grid):
    culture = grid(dt=4.0)
    result = fit(culture, "crlsm", FitOptions(interpolate=10))
    raw = culture.shared_border_px * culture.centroid_distance_px
    assert result.facts["weight_scale"] == pytest.approx(raw[~culture.border[culture.pairs].any(axis=1)].mean())
    assert result.facts["weight_unit"] == INNER_CONTACTS
    assert result.facts["dt_s"] == pytest.approx(0.4)
    assert result.facts["driven_cells"] == 18
    assert result.settings["weights"] == "distance*border"
    assert result.settings["ridge_scaling"] == "unscaled"


def test_runs_are_told_apart_by_options_only(grid):
    culture = grid()
    assert fit(culture).run == fit(culture, "robust", FitOptions()).run
    assert fit(culture, "crlsm").run == fit(culture, "crlsm", FitOptions(ridge=0.001, k_bounds=(0.001, 0.1))).run
    assert fit(culture, "crlsm").run != fit(culture, "crlsm", FitOptions(ridge=1.0)).run
    assert fit(culture).run != fit(culture, options=FitOptions(correct=False)).run
    assert fit(culture).run != fit(culture, "crlsm").run


def test_open_bounds_are_json(grid):
    result = fit(grid(), "crlsm", FitOptions(feed_bounds=(-np.inf, np.inf)))
    assert result.settings["feed_bounds"] == [None, None]
    assert fit(grid()).settings["k_bounds"] == [0.0, None]


@pytest.mark.parametrize("case", CASES)
def test_predict_runs_stored_parameters(grid, case):
    culture = grid(frames=40)
    result = fit(culture, options=FitOptions(case=case))
    leak = result.facts.get("leak", 0.0)
    again = predict(culture, result.settings, result.cells["k"], result.cells["feed"], leak)
    error = ((again - culture.intensity[fitted_cells(culture, result.settings)]) ** 2).mean(axis=1)
    np.testing.assert_allclose(error, result.cells["mse_train"], rtol=1e-12)


def test_predict_takes_absent_feeds_and_refuses_wrong_shapes(grid):
    culture = grid()
    result = fit(culture, options=FitOptions(no_feed=True))
    assert np.isfinite(predict(culture, result.settings, result.cells["k"], result.cells["feed"])).all()
    with pytest.raises(FitError, match="12 fitted cells"):
        predict(culture, result.settings, np.ones(3), np.zeros(3))


def test_workers_and_batches_do_not_change_a_bit(grid, monkeypatch):
    culture = grid(rows=12, columns=12, frames=80)
    results = []
    for batch, workers in ((256, 1), (7, 4), (1, 2), (100, 3)):
        monkeypatch.setattr(run, "BATCH_CELLS", batch)
        with dask.config.set(num_workers=workers):
            results.append(
                [
                    fit(culture, "robust", FitOptions(train_fraction=0.8, null=5)),
                    fit(culture, "crlsm", FitOptions(train_fraction=0.8, interpolate=3, null=0)),
                ]
            )
    for others in results[1:]:
        for first, other in zip(results[0], others, strict=True):
            assert (other.k, other.k_low, other.k_high) == (first.k, first.k_low, first.k_high)
            assert (other.null_k_p, other.words) == (first.null_k_p, first.words)
            for name, values in first.cells.items():
                assert values.tobytes() == other.cells[name].tobytes(), (first.model, name)


def test_a_cluster_gives_the_same_bits(grid):
    from distributed import LocalCluster

    culture = grid(frames=50)
    here = fit(culture)
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        there = fit(culture, scheduler=cluster.scheduler_address)
    assert here.k == there.k
    for name, values in here.cells.items():
        assert values.tobytes() == there.cells[name].tobytes()


def test_no_scheduler_is_one_line():
    code = (
        "from calcigraph.errors import InputError\n"
        "from calcigraph.models.scheduler import _connect\n"
        "try: _connect('tcp://127.0.0.1:9')\n"
        "except InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'" in done.stdout
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["nonsense", "tcp://no-port", ""])
def test_an_address_that_is_none_is_refused(grid, address):
    with pytest.raises(InputError, match="no Dask scheduler answers"):
        fit(grid(), scheduler=address)


def test_advice_names_parameters_at_a_bound(grid):
    advice = fit(grid(), "crlsm", FitOptions(k_bounds=(0.09, 0.1))).advice
    assert any(line.startswith("k lies at the lower bound 0.09") for line in advice)
    advice = fit(grid(), "crlsm", FitOptions(feed_bounds=(1.0, 2.0))).advice
    assert any("feed of 12 of 12 inner cells lies at the lower bound 1" in line for line in advice)


def test_advice_on_traces_in_camera_counts(grid):
    culture = grid()
    counts = replace(culture, intensity=1e4 * culture.intensity)
    assert any("not normalised intensities" in line for line in fit(counts, "crlsm").advice)
    assert not any("normalised" in line for line in fit(culture, "crlsm").advice)
    assert not any("normalised" in line for line in fit(counts, "crlsm", FitOptions(no_feed=True)).advice)
    assert not any("normalised" in line for line in fit(counts).advice), "robust has no feed bounds"


def test_a_culture_without_border_cells_runs_free(grid):
    culture = grid(frames=50)
    result = fit(replace(culture, border=np.zeros_like(culture.border)))
    assert len(result.labels) == len(culture.labels)
    assert np.isfinite(result.mse_train)


def test_cells_without_contacts_have_a_feed_but_no_k(grid, euler):
    culture = grid(frames=200)
    lonely = int(np.flatnonzero(~culture.border)[4])
    keep = ~(culture.pairs == lonely).any(axis=1)
    cut = replace(
        culture,
        pairs=culture.pairs[keep],
        shared_border_px=culture.shared_border_px[keep],
        centroid_distance_px=culture.centroid_distance_px[keep],
    )
    cut = euler(0.01, np.full(12, 1e-4), cut, "distance*border")
    cut = replace(cut, intensity=cut.intensity + np.random.default_rng(1).normal(0, 1e-3, cut.intensity.shape))
    for case in CASES:
        result = fit(cut, options=FitOptions(case=case, null=0))
        assert np.isnan(result.cells["k_cell"]).tolist() == (result.labels == culture.labels[lonely]).tolist()
        assert np.isfinite(result.cells["feed"]).all()
        assert np.isfinite(result.cells["mse_train"]).all()
        assert np.isfinite(result.k)
        assert any("without contacts" in line for line in result.advice)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"case": "both"}, "unknown case 'both'; there are cell, shared, per-cell, per-cell-k"),
        ({"setup": 0}, "unknown setup 0"),
        ({"weights": "area"}, "unknown weights 'area'"),
        ({"k_bounds": (0.1, 0.001)}, "lower and then the upper"),
        ({"k_bounds": (-0.1, 0.1)}, "must not be negative"),
        ({"null": -1}, "null is -1; it must be a whole number of cultures"),
        ({"seed": 0.5}, "seed is 0.5"),
        ({"half_width": 0.1}, "half-width is 0.1"),
        ({"feed_bounds": (0.1, -0.1)}, "lower and then the upper"),
        ({"feed_bounds": (np.nan, 0.1)}, "lower and then the upper"),
        ({"ridge": -1.0}, "ridge"),
        ({"train_fraction": 0.0}, "train fraction"),
        ({"train_fraction": 1.5}, "train fraction"),
        ({"interpolate": 0}, "interpolate"),
    ],
)
def test_senseless_options_are_refused(options, message):
    with pytest.raises(FitError, match=message) as caught:
        FitOptions(**options)
    assert isinstance(caught.value, CalcigraphError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("robust", {"ridge": 0.1}, "--ridge belongs to crlsm, not to robust; leave it out"),
        ("robust", {"epochs": 5}, "--epochs belongs to pinn, not to robust"),
        ("crlsm", {"leak": True}, "--leak belongs to robust, not to crlsm"),
        ("crlsm", {"k_bounds": (0.0, np.inf)}, "must be finite"),
        ("pinn", {"k_bounds": (0.0, 1.0)}, "--k-bounds belongs to robust and crlsm, not to pinn"),
        ("magic", {}, "unknown model 'magic'; there are robust, decorrelation, crlsm, pinn"),
    ],
)
def test_options_of_another_model_are_refused(grid, model, options, message):
    with pytest.raises(FitError, match=message) as caught:
        fit(grid(), model, FitOptions(**options))
    assert "\n" not in str(caught.value)


def test_cultures_that_cannot_be_fitted(grid):
    culture = grid()
    holed = culture.intensity.copy()
    holed[3, 5] = np.nan
    with pytest.raises(FitError, match="1 cells have missing or infinite intensities"):
        fit(replace(culture, intensity=holed))
    with pytest.raises(FitError, match="2 frames to train on"):
        fit(replace(culture, intensity=culture.intensity[:, :2]))
    with pytest.raises(FitError, match="frames to train on"):
        fit(culture, options=FitOptions(train_fraction=0.01))
    with pytest.raises(FitError, match="leaves 1 of 30 frames to test"):
        fit(culture, options=FitOptions(train_fraction=0.97))
    with pytest.raises(FitError, match="frame interval"):
        fit(replace(culture, frame_interval_s=0.0))
    border_only = culture.border[culture.pairs].all(axis=1)
    with pytest.raises(FitError, match="no inner cell of culture grid has a contact"):
        fit(
            replace(
                culture,
                pairs=culture.pairs[border_only],
                shared_border_px=culture.shared_border_px[border_only],
                centroid_distance_px=culture.centroid_distance_px[border_only],
            )
        )


def test_progress_reaches_its_total(grid):
    seen = []
    fit(grid(), progress=lambda *call: seen.append(call))
    last = {stage: (done, total) for stage, done, total in seen}
    assert last
    assert all(done == total for done, total in last.values())


def test_importing_models_stays_light():
    heavy = ("dask", "scipy", "cv2", "numba", "distributed", "networkx")
    code = f"import calcigraph.models, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
