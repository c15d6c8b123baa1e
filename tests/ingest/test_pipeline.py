"""The whole ingest against the paper's formulas written plainly in NumPy and SciPy."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.ndimage as ndi
import shapely
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcigraph.errors import CalcigraphError, InputError, WorkspaceError
from calcigraph.ingest import IngestOptions, ingest_movie, input_digest
from calcigraph.ingest.histogram import quartiles
from calcigraph.ingest.quality import fall
from calcigraph.ingest.shift import ShiftGauge
from calcigraph.models.synthetic.camera import movie_frames
from calcigraph.models.synthetic.make import make_culture
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.store.movie import open_store
from calcigraph.store.types import Masks

FRAMES, SIZE = 40, 96
CELLS = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((32, 32), int)).astype(np.uint16)
DATA = Path(os.environ.get("CALCIGRAPH_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def tissue_movie(frames=FRAMES, seed=0, light=None, shift=0):
    """A movie of CELLS with texture and noise, float64; light: brightness per frame; shift: px of drift by the end."""
    rng = np.random.default_rng(seed)
    texture = 1000 + 400 * ndi.gaussian_filter(rng.standard_normal((SIZE + 8, SIZE + 8)), 1.5) * 4
    level = 1 + 0.2 * rng.random((10, 1)) + 0.1 * np.sin(np.arange(frames) / 5 + rng.random((10, 1)) * 6)
    movie = np.empty((frames, SIZE, SIZE))
    for t in range(frames):
        move = round(shift * t / (frames - 1))
        movie[t] = texture[move : move + SIZE, :SIZE] * level[CELLS, t] + rng.normal(0, 20, (SIZE, SIZE))
    return np.abs(movie) * (np.ones(frames) if light is None else np.asarray(light))[:, None, None]


def run(folder, movie, labels=CELLS, **options):
    tifffile.imwrite(folder / "movie.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
    tifffile.imwrite(folder / "masks.tif", labels)
    chosen = IngestOptions(**{"frame_interval_s": 10.0, "masks": str(folder / "masks.tif")} | options)
    return again(folder, chosen)


def again(folder, options, source="movie.tif", **more):
    return ingest_movie(
        str(folder / source), culture="a", options=options, store_path=folder / "a.ome.zarr", version="0", **more
    )


def plainly(movie, labels=CELLS, inset=1, median=True):
    """Denoised frames, eq. 23, and traces, as one would write them down."""
    denoised = np.stack([ndi.median_filter(frame, 3, mode="nearest") for frame in movie]) if median else movie
    d = np.log(denoised.astype(np.float64) + 1)
    q1, q3 = np.percentile(d, [25, 75])
    low, high = q1 - 2 * (q3 - q1), q3 + 2 * (q3 - q1)
    normalised = (d - low) / (high - low)
    square = np.ones((2 * inset + 1, 2 * inset + 1))
    same = ndi.minimum_filter(labels, footprint=square, mode="nearest") == ndi.maximum_filter(
        labels, footprint=square, mode="nearest"
    )
    traces = np.stack([normalised[:, (labels == i) & same].mean(axis=1) for i in np.unique(labels[labels > 0])])
    return denoised, normalised, traces


TYPES = {
    "uint16": lambda x: x.astype(np.uint16),
    "big-endian": lambda x: x.astype(">u2"),
    "12 bit": lambda x: (x / 2).clip(0, 4095).astype(np.uint16),
    "uint8": lambda x: (x / 10).clip(0, 255).astype(np.uint8),
    "int16": lambda x: x.astype(np.int16),
    "int32": lambda x: x.astype(np.int32),
    "float32": lambda x: (x / 1000).astype(np.float32),
    "big-endian float32": lambda x: (x / 1000).astype(">f4"),
    "float64": lambda x: x / 1000,
    "float with values under 0": lambda x: (x / 4000 - 0.4).clip(-0.9, None).astype(np.float32),
}


@pytest.mark.parametrize("kind", TYPES)
def test_normalised_values_and_traces_equal_the_formulas(tmp_path, kind):
    movie = TYPES[kind](tissue_movie())
    data = run(tmp_path, movie)
    plain = movie.astype(movie.dtype.newbyteorder("="))
    denoised, normalised, traces = plainly(plain.astype(np.float32) if plain.dtype.kind == "f" else plain)
    store = open_store(tmp_path / "a.ome.zarr")
    assert all((store.frame(i) == denoised[i]).all() for i in range(FRAMES))
    assert np.abs(store.frames[:] - normalised).max() < 1e-6
    assert np.abs(data.cells.intensity - traces).max() < 1e-6
    assert (store.traces == data.cells.intensity).all()
    assert (data.cells.labels == np.arange(1, 10)).all()
    assert data.culture.intensity_gain == store.normalisation.gain


@pytest.mark.parametrize("inset", [0, 2])
def test_other_insets(tmp_path, inset):
    movie = TYPES["uint16"](tissue_movie())
    data = run(tmp_path, movie, trace_inset=inset)
    assert np.abs(data.cells.intensity - plainly(movie, inset=inset)[2]).max() < 1e-6


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 60000), min_size=1, max_size=50))
def test_quartiles_are_numpys_bit_for_bit(values):
    found = quartiles(lambda rank: sorted(values)[rank], len(values))
    expected = np.quantile(np.log1p(np.array(values, float)), [0.25, 0.75])
    assert found == tuple(expected)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(2, 40), st.floats(1e-3, 1e6), st.booleans())
def test_float_quartiles_are_exact_over_any_range(tmp_path, seed, frames, scale, below):
    rng = np.random.default_rng(seed)
    movie = (rng.lognormal(0, 2, (frames, 32, 30)) * scale).astype(np.float32)
    if below:
        movie[:, ::2] = -rng.random((frames, 16, 30)) * 0.99
    data = run(tmp_path, movie, np.ones((32, 30), np.uint8))
    d = np.log1p(np.stack([ndi.median_filter(f, 3, mode="nearest") for f in movie]).astype(np.float64))
    q1, q3 = np.percentile(d, [25, 75])
    assert data.culture.intensity_gain == pytest.approx(1 / (5 * (q3 - q1)), rel=1e-12)
    assert data.culture.intensity_offset == pytest.approx(q1 - 2 * (q3 - q1), rel=1e-12, abs=1e-12)


def test_cells_contacts_and_polygons(tmp_path):
    data = run(tmp_path, TYPES["uint16"](tissue_movie()))
    assert data.cells.border.tolist() == [True] * 4 + [False] + [True] * 4
    assert len(data.contacts) == 12
    for text, area in zip(data.cells.polygons, data.cells.area_px, strict=True):
        assert shapely.from_wkt(text).area == area == 1024
    assert (data.cells.x_px[1], data.cells.y_px[1]) == (47.5, 15.5)
    assert (open_store(tmp_path / "a.ome.zarr").labels == CELLS).all()


def test_the_culture_says_what_was_done(tmp_path):
    culture = run(tmp_path, TYPES["uint16"](tissue_movie()), experiment="E", condition="C", pixel_size_um=0.5).culture
    assert (culture.frames, culture.height_px, culture.width_px) == (FRAMES, SIZE, SIZE)
    assert (culture.frame_interval_s, culture.pixel_size_um) == (10.0, 0.5)
    assert (culture.experiment, culture.condition, culture.masks) == ("E", "C", "file:masks.tif")
    assert culture.options["max_gap"] == 0
    assert not culture.complete
    assert culture.warnings == ()
    assert culture.movie == "a.ome.zarr"


@pytest.mark.parametrize("kind", ["uint8", "12 bit", "uint16", "big-endian", "int16", "float32", "float64"])
@pytest.mark.parametrize("segmented", [False, True])
def test_detrending_equals_the_formulas(tmp_path, monkeypatch, kind, segmented):
    def segment(image, model=None, progress=None):
        return Masks(CELLS.astype(np.int32), "cellpose:test", "digest")

    monkeypatch.setattr("calcigraph.ingest.segment.find_cells", segment)
    movie = TYPES[kind](tissue_movie(light=np.linspace(1, 0.7, FRAMES)))
    data = run(tmp_path, movie, detrend="global", **({"masks": None, "segment_on": "max"} if segmented else {}))
    plain = movie.astype(movie.dtype.newbyteorder("="))
    denoised = plainly(plain.astype(np.float32) if plain.dtype.kind == "f" else plain)[0].astype(np.float64)
    means = denoised.mean(axis=(1, 2))
    normalised, traces = plainly(denoised / (means / means[0])[:, None, None], median=False)[1:]
    store = open_store(tmp_path / "a.ome.zarr")
    assert np.abs(store.frames[:] - normalised).max() < 1e-6
    assert np.abs(data.cells.intensity - traces).max() < 1e-6
    assert data.culture.options["detrend"] == "global"
    assert data.culture.bleaching > 0.2
    assert data.culture.warnings == ()


def test_values_that_detrending_makes_too_small_are_an_input_error(tmp_path):
    movie = np.full((5, SIZE, SIZE), 2, np.float32) + np.random.default_rng(0).random((5, SIZE, SIZE), np.float32)
    movie[:, :10] = -0.6
    run(tmp_path, movie)
    run(tmp_path, movie, detrend="global")
    movie[3, 10:] *= 0.6
    run(tmp_path, movie)
    with pytest.raises(InputError, match="frame 3 has values of -1 or less"):
        run(tmp_path, movie, detrend="global")
    movie[3] = 0
    with pytest.raises(InputError, match="frame 3 has mean 0, which"):
        run(tmp_path, movie, detrend="global")
    movie[:], movie[3], movie[3, :8, :8] = 1e38, 1e-8, 1.0
    with pytest.raises(InputError, match=r"frame 3 has mean 0.00\d+, too small"):
        run(tmp_path, movie, detrend="global")


def test_bleaching_is_noticed(tmp_path):
    data = run(tmp_path, TYPES["uint16"](tissue_movie(light=np.linspace(1, 0.85, FRAMES))))
    assert data.culture.bleaching == pytest.approx(0.14, abs=0.03)
    assert [w.split(":")[0] for w in data.culture.warnings] == ["bleaching"]
    steady = run(tmp_path, TYPES["uint16"](tissue_movie(light=np.linspace(1, 0.97, FRAMES))))
    assert steady.culture.warnings == ()


@pytest.mark.parametrize("frames", [2, 3, 15, 361])
@pytest.mark.parametrize("share", [0.05, 0.11, 0.4])
def test_a_steady_fall_reads_as_what_it_is(frames, share):
    assert fall(500 * np.linspace(1, 1 - share, frames)) == pytest.approx(share)


def test_other_courses_of_the_mean():
    late = np.where(np.arange(100) < 90, 100.0, 80.0)  # a line would read less
    assert fall(late) == pytest.approx(0.2)
    assert fall(np.linspace(1, 2, 100)) < -0.5
    assert fall(np.zeros(5)) == 0


def test_a_fall_of_just_over_a_tenth_warns_and_busy_cells_do_not(tmp_path):
    data = run(tmp_path, TYPES["uint16"](tissue_movie(120, light=np.linspace(1, 0.89, 120))))
    assert data.culture.bleaching > 0.1
    assert [w.split(":")[0] for w in data.culture.warnings] == ["bleaching"]
    for seed in range(4):
        busy = run(tmp_path, TYPES["uint16"](tissue_movie(120, seed=seed)))
        assert abs(busy.culture.bleaching) < 0.05
        assert busy.culture.warnings == ()


@pytest.mark.parametrize(("shift", "warns"), [(0, False), (2, True), (6, True)])
def test_shift_is_noticed(tmp_path, shift, warns):
    data = run(tmp_path, TYPES["uint16"](tissue_movie(shift=shift)))
    assert data.culture.shift_px == pytest.approx(shift, abs=0.3)
    assert any(w.startswith("shift") for w in data.culture.warnings) == warns


@pytest.mark.parametrize("moved", [[33], [33, 34, 35], [1], [119]])
def test_a_brief_jump_is_noticed(tmp_path, moved):
    movie = TYPES["uint16"](tissue_movie(120))
    movie[moved] = np.roll(movie[moved], 3, axis=1)
    data = run(tmp_path, movie)
    assert data.culture.shift_px == pytest.approx(3, abs=0.3)
    assert [w.split(":")[0] for w in data.culture.warnings] == ["shift"]


@pytest.mark.parametrize(("size", "cells"), [(260, 30), (512, 108)])
def test_frames_of_a_lively_movie_are_gauged_right_and_cheaply(size, cells, monkeypatch):
    options = SyntheticOptions(cells=cells, frames=24, size_px=size, spikes=6, seed=1)
    frames = [cv2.medianBlur(frame, 3) for frame in movie_frames(make_culture(options))]
    gauge = ShiftGauge(frames[0])
    fine, looks = gauge._fine.displacement, []
    monkeypatch.setattr(gauge._fine, "displacement", lambda frame: looks.append(0) or fine(frame))
    assert max(gauge.displacement(frame) for frame in frames) < 0.8
    assert len(looks) < 6
    for move in (2.0, 3.0, 15.0):
        for matrix in ([[1, 0, move], [0, 1, 0]], [[1, 0, 0], [0, 1, -move]]):
            jumps = [cv2.warpAffine(f, np.array(matrix, np.float32), f.shape[::-1]) for f in frames]
            found = [gauge.displacement(frame) for frame in jumps]
            assert found == pytest.approx([move] * len(found), abs=0.6)


@pytest.mark.parametrize("size", [32, 96, 200, 256, 600])
def test_noise_alone_is_no_shift(size):
    rng = np.random.default_rng(size)
    gauge = ShiftGauge(rng.integers(0, 4000, (size, size)).astype(np.uint16))
    assert max(gauge.displacement(rng.integers(0, 4000, (size, size)).astype(np.uint16)) for _ in range(10)) < 1


@pytest.mark.parametrize(("top", "kind"), [(4095, np.uint16), (255, np.uint8), (65535, np.uint16), (3000, np.uint16)])
def test_saturation_is_noticed(tmp_path, top, kind):
    movie = tissue_movie()
    movie = movie / np.quantile(movie, 0.99) * top
    data = run(tmp_path, movie.clip(0, top).astype(kind))
    assert data.culture.saturated == pytest.approx(0.01, abs=1e-3)
    assert [w.split(":")[0] for w in data.culture.warnings] == ["saturation"]
    quiet = run(tmp_path, (movie * 0.6).clip(0, top).astype(kind))
    assert quiet.culture.saturated < 1e-3
    assert quiet.culture.warnings == ()


def test_the_frame_interval_must_come_from_somewhere(tmp_path):
    with pytest.raises(InputError, match="--frame-interval"):
        run(tmp_path, TYPES["uint16"](tissue_movie()), frame_interval_s=None)
    assert not (tmp_path / "a.ome.zarr").exists()


def test_the_users_frame_interval_makes_an_unclear_axis_time(tmp_path):
    run(tmp_path, TYPES["uint16"](tissue_movie()))
    tifffile.imwrite(tmp_path / "movie.tif", TYPES["uint16"](tissue_movie()), imagej=True)  # CYX, without an interval
    options = IngestOptions(frame_interval_s=10.0, masks=str(tmp_path / "masks.tif"))
    culture = again(tmp_path, options).culture
    assert (culture.frames, culture.frame_interval_s) == (FRAMES, 10.0)
    assert input_digest(str(tmp_path / "movie.tif"), options) == culture.input_digest
    with pytest.raises(InputError, match="--frame-interval"):
        again(tmp_path, IngestOptions(masks=str(tmp_path / "masks.tif")))


@pytest.mark.parametrize(
    ("movie", "words"),
    [
        (np.full((5, SIZE, SIZE), 7, np.uint16), "one value"),
        (np.full((5, SIZE, SIZE), -1, np.float32), "no log"),
        (np.full((5, SIZE, SIZE), -1, np.int16), "not negative"),
        (np.full((5, SIZE, SIZE), np.nan, np.float32), "not finite"),
    ],
)
def test_movies_that_cannot_be_used_leave_nothing(tmp_path, movie, words):
    with pytest.raises(InputError, match=words):
        run(tmp_path, movie)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["masks.tif", "movie.tif"]


@pytest.mark.parametrize(
    "options",
    [
        {"frame_interval_s": 0},
        {"pixel_size_um": -1.0},
        {"min_area": 0},
        {"min_border": 0},
        {"max_gap": -1},
        {"trace_inset": -1},
        {"detrend": "local"},
        {"segment_on": "median"},
        {"segment_on": -2},
        {"masks": "m.tif", "cellpose_model": "cyto3"},
    ],
)
def test_options_out_of_range(options):
    with pytest.raises(InputError, match=r"expected|exclude"):
        IngestOptions(**options)


def test_the_digest_is_of_content_and_options(tmp_path):
    movie = TYPES["uint16"](tissue_movie())
    culture = run(tmp_path, movie).culture
    options = IngestOptions(frame_interval_s=10.0, masks=str(tmp_path / "masks.tif"))
    assert input_digest(str(tmp_path / "movie.tif"), options) == culture.input_digest
    (tmp_path / "movie.tif").rename(tmp_path / "other.tif")
    assert input_digest(str(tmp_path / "other.tif"), options) == culture.input_digest
    assert again(tmp_path, options, "other.tif", digest="known").culture.input_digest == "known"
    for change in ({"min_area": 400}, {"condition": "C"}, {"frame_interval_s": 5.0}, {"trace_inset": 0}):
        changed = IngestOptions(**asdict(options) | change)
        assert input_digest(str(tmp_path / "other.tif"), changed) != culture.input_digest
    movie[3, 4, 5] += 1
    assert run(tmp_path, movie).culture.input_digest != culture.input_digest


def test_results_do_not_depend_on_timing(tmp_path):
    movie = TYPES["float32"](tissue_movie())
    first, second = run(tmp_path, movie), run(tmp_path, movie)
    assert (first.cells.intensity == second.cells.intensity).all()


@pytest.mark.parametrize(("segment_on", "gap"), [("mean", None), ("max", 2), (7, None), ("7", 0)])
def test_segmenting_looks_at_the_chosen_picture(tmp_path, monkeypatch, segment_on, gap):
    seen = []

    def segment(image, model=None, progress=None):
        seen.append(image)
        return Masks(CELLS.astype(np.int32), "cellpose:test", "digest")

    monkeypatch.setattr("calcigraph.ingest.segment.find_cells", segment)
    movie = TYPES["uint16"](tissue_movie())
    data = run(tmp_path, movie, masks=None, segment_on=segment_on, max_gap=gap)
    _, normalised, traces = plainly(movie)
    picture = {"mean": normalised.mean(axis=0), "max": normalised.max(axis=0)}.get(segment_on, normalised[7])
    assert np.abs(seen[0] - picture).max() < 1e-9
    assert np.abs(data.cells.intensity - traces).max() < 1e-6
    assert data.culture.options["max_gap"] == (0 if gap is None else gap)  # these cells touch
    assert data.culture.masks == "cellpose:test"


def test_a_frame_to_segment_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="frames 0 to 39"):
        run(tmp_path, TYPES["uint16"](tissue_movie()), masks=None, segment_on=40)


def test_progress_reaches_its_end(tmp_path):
    movie = TYPES["float32"](tissue_movie())
    options = IngestOptions(frame_interval_s=10.0, masks=str(tmp_path / "masks.tif"))
    run(tmp_path, movie)
    last = {}
    again(tmp_path, options, progress=lambda stage, done, total: last.__setitem__(stage, (done, total)))
    assert set(last) == {"denoise", "quartiles", "cells", "store"}
    assert all(done == total for done, total in last.values())


def test_an_error_in_the_middle_is_the_users_error_and_leaves_nothing(tmp_path):
    movie = tissue_movie().astype(np.float32)
    movie[-1, 5, 5] = np.inf
    with pytest.raises(InputError, match="frame 39"):
        run(tmp_path, movie)
    assert not [path for path in tmp_path.iterdir() if "zarr" in path.name]


def test_memory_does_not_grow_with_the_movie(tmp_path):
    code = (
        "import sys; from pathlib import Path; from calcigraph.ingest import *; f = Path(sys.argv[1])\n"
        "o = IngestOptions(frame_interval_s=1.0, masks=str(f / 'masks.tif'))\n"
        "ingest_movie(str(f / 'movie.tif'), culture='a', options=o, store_path=f / 'a', version='0')\n"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
    )
    peaks = []
    for frames in (32, 1600):  # 2 and 100 MB of pixels
        texture = np.random.default_rng(0).integers(100, 4000, (32, 180, 180)).astype(np.uint16)
        tifffile.imwrite(tmp_path / "movie.tif", np.tile(texture, (frames // 32, 1, 1)), photometric="minisblack")
        tifffile.imwrite(tmp_path / "masks.tif", np.ones((180, 180), np.uint8))
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 20
    assert peaks[1] < 450


def test_a_full_disk_is_a_workspace_error(tmp_path, monkeypatch):
    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("calcigraph.store.chunks.os.write", full)
    with pytest.raises(WorkspaceError, match="No space left"):
        run(tmp_path, TYPES["uint16"](tissue_movie()))
    assert not [path for path in tmp_path.iterdir() if "zarr" in path.name]


def test_a_killed_ingest_leaves_nothing_or_all(tmp_path):
    run(tmp_path, np.tile(TYPES["uint16"](tissue_movie()), (8, 1, 1)))
    whole = open_store(tmp_path / "a.ome.zarr").traces
    code = (
        "import sys; from pathlib import Path; from calcigraph.ingest import *\n"
        "f = Path(sys.argv[1]); print('go', flush=True)\n"
        "o = IngestOptions(frame_interval_s=10.0, masks=str(f / 'masks.tif'))\n"
        "ingest_movie(str(f / 'movie.tif'), culture='a', options=o, store_path=f / 'b.ome.zarr', version='0')"
    )
    for delay in (0.3, 0.6, 0.9, 1.2):
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        if (tmp_path / "b.ome.zarr").exists():
            assert (open_store(tmp_path / "b.ome.zarr").traces == whole).all()
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ome.zarr", "b.ome.zarr", "masks.tif", "movie.tif"]
    assert (open_store(tmp_path / "b.ome.zarr").traces == whole).all()


@pytest.mark.skipif(not (DATA / "neurons_spontaneous.tif").exists(), reason=f"no recordings in {DATA}")
@pytest.mark.parametrize("inset", [0, 1])
def test_real_neurons_agree_with_their_own_project(tmp_path, inset):
    masks = str(DATA / "neurons_spontaneous_labels.tif")
    options = IngestOptions(frame_interval_s=0.1, masks=masks, min_area=1, trace_inset=inset)
    source = str(DATA / "neurons_spontaneous.tif")
    data = ingest_movie(source, culture="n", options=options, store_path=tmp_path / "n", version="0")
    assert data.cells.labels.tolist() == [1, 2, 3, 4]
    assert data.culture.warnings == ()
    before = np.expm1(data.cells.intensity / data.culture.intensity_gain + data.culture.intensity_offset)
    for line in (DATA / "neurons_spontaneous_raw_traces.csv").read_text().splitlines()[1:]:
        name, *values = line.split(",")
        row = int(name.rsplit("_", 1)[1]) - 1
        assert np.corrcoef(before[row], np.array(values, float))[0, 1] > 0.999
        if inset == 0:  # their pixels exactly
            denoised = open_store(tmp_path / "n").denoised_traces[row]
            assert np.corrcoef(denoised, np.array(values, float))[0, 1] > 0.9999


def test_every_error_is_the_products_own(tmp_path):
    with pytest.raises(CalcigraphError):
        again(tmp_path, IngestOptions(frame_interval_s=1.0), "missing.tif")
