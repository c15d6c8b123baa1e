"""Bleaching, shift and saturation: noticed where they are, and only there."""

import cv2
import numpy as np
import pytest

from calcigraph.ingest.quality import fall
from calcigraph.ingest.shift import ShiftGauge
from calcigraph.models.synthetic.camera import movie_frames
from calcigraph.models.synthetic.make import make_culture
from calcigraph.models.synthetic.options import SyntheticOptions

FRAMES = 40
"""Of `tissue_movie`."""


def test_bleaching_is_noticed(tmp_path, run, tissue_movie):
    data = run(tmp_path, tissue_movie(light=np.linspace(1, 0.85, FRAMES)).astype(np.uint16))
    assert data.culture.bleaching == pytest.approx(0.14, abs=0.03)
    assert [w.split(":")[0] for w in data.culture.warnings] == ["bleaching"]
    steady = run(tmp_path, tissue_movie(light=np.linspace(1, 0.97, FRAMES)).astype(np.uint16))
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


def test_a_fall_of_just_over_a_tenth_warns_and_busy_cells_do_not(tmp_path, run, tissue_movie):
    data = run(tmp_path, tissue_movie(120, light=np.linspace(1, 0.89, 120)).astype(np.uint16))
    assert data.culture.bleaching > 0.1
    assert [w.split(":")[0] for w in data.culture.warnings] == ["bleaching"]
    for seed in range(4):
        busy = run(tmp_path, tissue_movie(120, seed=seed).astype(np.uint16))
        assert abs(busy.culture.bleaching) < 0.05
        assert busy.culture.warnings == ()


@pytest.mark.parametrize(("shift", "warns"), [(0, False), (2, True), (6, True)])
def test_shift_is_noticed(tmp_path, shift, warns, run, tissue_movie):
    data = run(tmp_path, tissue_movie(shift=shift).astype(np.uint16))
    assert data.culture.shift_px == pytest.approx(shift, abs=0.3)
    assert any(w.startswith("shift") for w in data.culture.warnings) == warns


@pytest.mark.parametrize("moved", [[33], [33, 34, 35], [1], [119]])
def test_a_brief_jump_is_noticed(tmp_path, moved, run, tissue_movie):
    movie = tissue_movie(120).astype(np.uint16)
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
def test_saturation_is_noticed(tmp_path, top, kind, run, tissue_movie):
    movie = tissue_movie()
    movie = movie / np.quantile(movie, 0.99) * top
    data = run(tmp_path, movie.clip(0, top).astype(kind))
    assert data.culture.saturated == pytest.approx(0.01, abs=1e-3)
    assert [w.split(":")[0] for w in data.culture.warnings] == ["saturation"]
    quiet = run(tmp_path, (movie * 0.6).clip(0, top).astype(kind))
    assert quiet.culture.saturated < 1e-3
    assert quiet.culture.warnings == ()
