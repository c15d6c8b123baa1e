"""The whole ingest against the paper's formulas written plainly in NumPy and SciPy."""

import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile

from calcigraph.errors import InputError
from calcigraph.ingest import IngestOptions, ingest_movie, input_digest
from calcigraph.store.movie import open_store
from calcigraph.store.types import Masks

FRAMES, SIZE = 40, 96
"""Of `tissue_movie` and `cells`."""
DATA = Path(os.environ.get("CALCIGRAPH_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


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
def test_normalised_values_and_traces_equal_the_formulas(tmp_path, kind, run, tissue_movie, plainly):
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
def test_other_insets(tmp_path, inset, run, tissue_movie, plainly):
    movie = TYPES["uint16"](tissue_movie())
    data = run(tmp_path, movie, trace_inset=inset)
    assert np.abs(data.cells.intensity - plainly(movie, inset=inset)[2]).max() < 1e-6


def test_cells_contacts_and_polygons(tmp_path, run, tissue_movie, cells):
    data = run(tmp_path, TYPES["uint16"](tissue_movie()))
    assert data.cells.border.tolist() == [True] * 4 + [False] + [True] * 4
    assert len(data.contacts) == 12
    for text, area in zip(data.cells.polygons, data.cells.area_px, strict=True):
        assert shapely.from_wkt(text).area == area == 1024
    assert (data.cells.x_px[1], data.cells.y_px[1]) == (47.5, 15.5)
    assert (open_store(tmp_path / "a.ome.zarr").labels == cells).all()


def test_the_culture_says_what_was_done(tmp_path, run, tissue_movie):
    culture = run(tmp_path, TYPES["uint16"](tissue_movie()), experiment="E", condition="C", pixel_size_um=0.5).culture
    assert (culture.frames, culture.height_px, culture.width_px) == (FRAMES, SIZE, SIZE)
    assert (culture.frame_interval_s, culture.pixel_size_um) == (10.0, 0.5)
    assert (culture.experiment, culture.condition, culture.masks) == ("E", "C", "file:masks.tif")
    assert culture.options["max_gap"] == 0
    assert not culture.complete
    assert culture.warnings == ()
    assert culture.movie == "a.ome.zarr"


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("segmented", [False, True])
def test_detrending_takes_a_fall_out_of_the_traces_only(
    tmp_path, monkeypatch, kind, segmented, run, tissue_movie, cells
):
    def segment(image, model=None, progress=None):
        return Masks(cells.astype(np.int32), "cellpose:test", "digest")

    monkeypatch.setattr("calcigraph.ingest.segment.find_cells", segment)
    movie = TYPES["uint16"](tissue_movie(light=np.exp(np.linspace(0, -0.35, FRAMES))))
    asked = {"masks": None, "segment_on": "max"} if segmented else {}
    plain = run(tmp_path, movie, **asked)
    frames = open_store(tmp_path / "a.ome.zarr").frames[:]
    data = run(tmp_path, movie, detrend="global", **asked)
    assert (open_store(tmp_path / "a.ome.zarr").frames[:] == frames).all()
    # What went is the same for all cells: a line, of which the cells' own changes hide little.
    gone = (plain.cells.intensity - data.cells.intensity) / plain.culture.intensity_gain
    assert np.ptp(gone, axis=0).max() < 1e-9
    assert np.ptp(gone[0]) == pytest.approx(0.35, abs=0.05)
    assert np.abs(np.diff(gone[0], 2)).max() < 1e-9
    assert data.culture.options["detrend"] == "global"
    assert data.culture.bleaching > 0.2
    assert plain.culture.warnings
    assert data.culture.warnings == ()


def test_the_users_frame_interval_makes_an_unclear_axis_time(tmp_path, run, again, tissue_movie):
    run(tmp_path, TYPES["uint16"](tissue_movie()))
    tifffile.imwrite(tmp_path / "movie.tif", TYPES["uint16"](tissue_movie()), imagej=True)  # CYX, without an interval
    options = IngestOptions(frame_interval_s=10.0, masks=str(tmp_path / "masks.tif"))
    culture = again(tmp_path, options).culture
    assert (culture.frames, culture.frame_interval_s) == (FRAMES, 10.0)
    assert input_digest(str(tmp_path / "movie.tif"), options) == culture.input_digest
    with pytest.raises(InputError, match="--frame-interval"):
        again(tmp_path, IngestOptions(masks=str(tmp_path / "masks.tif")))


def test_the_digest_is_of_content_and_options(tmp_path, run, again, tissue_movie):
    movie = TYPES["uint16"](tissue_movie())
    culture = run(tmp_path, movie).culture
    options = IngestOptions(frame_interval_s=10.0, masks=str(tmp_path / "masks.tif"))
    assert input_digest(str(tmp_path / "movie.tif"), options) == culture.input_digest
    (tmp_path / "movie.tif").rename(tmp_path / "other.tif")
    assert input_digest(str(tmp_path / "other.tif"), options) == culture.input_digest
    assert again(tmp_path, options, "other.tif", digest="known").culture.input_digest == "known"
    for change in ({"min_area": 400}, {"frame_interval_s": 5.0}, {"trace_inset": 0}):
        changed = IngestOptions(**asdict(options) | change)
        assert input_digest(str(tmp_path / "other.tif"), changed) != culture.input_digest
    moved = IngestOptions(**asdict(options) | {"condition": "C", "experiment": "E"})
    assert input_digest(str(tmp_path / "other.tif"), moved) == culture.input_digest
    movie[3, 4, 5] += 1
    assert run(tmp_path, movie).culture.input_digest != culture.input_digest


def test_results_do_not_depend_on_timing(tmp_path, run, tissue_movie):
    movie = TYPES["float32"](tissue_movie())
    first, second = run(tmp_path, movie), run(tmp_path, movie)
    assert (first.cells.intensity == second.cells.intensity).all()


@pytest.mark.parametrize(("segment_on", "gap"), [("auto", None), ("mean", None), ("max", 2), (7, None), ("7", 0)])
def test_segmenting_looks_at_the_chosen_picture(
    tmp_path, monkeypatch, segment_on, gap, run, tissue_movie, plainly, cells
):
    seen = []

    def segment(image, model=None, progress=None):
        seen.append(image)
        return Masks(cells.astype(np.int32), "cellpose:test", "digest")

    monkeypatch.setattr("calcigraph.ingest.segment.find_cells", segment)
    movie = TYPES["uint16"](tissue_movie())
    data = run(tmp_path, movie, masks=None, segment_on=segment_on, max_gap=gap)
    _, normalised, traces = plainly(movie)
    taken = "mean" if segment_on == "auto" else str(segment_on)
    picture = {"mean": normalised.mean(axis=0), "max": normalised.max(axis=0)}.get(taken, normalised[7])
    assert np.abs(seen[0] - picture).max() < 1e-9
    assert np.abs(data.cells.intensity - traces).max() < 1e-6
    assert data.culture.options["max_gap"] == (0 if gap is None else gap)  # these cells touch
    assert data.culture.masks == "cellpose:test"
    assert data.culture.tissue["picture"] == taken
    assert data.culture.options["segment_on"] == (7 if taken == "7" else segment_on)


def test_progress_reaches_its_end(tmp_path, run, again, tissue_movie):
    movie = TYPES["float32"](tissue_movie())
    options = IngestOptions(frame_interval_s=10.0, masks=str(tmp_path / "masks.tif"))
    run(tmp_path, movie)
    last = {}
    again(tmp_path, options, progress=lambda stage, done, total: last.__setitem__(stage, (done, total)))
    assert set(last) == {"denoise", "quartiles", "light", "cells", "store"}
    assert all(done == total for done, total in last.values())


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
