"""Registration: known drifts, turns, jumps and lost frames are found, and the stored frames lie still."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from calcigraph.errors import InputError
from calcigraph.ingest import IngestOptions, input_digest
from calcigraph.ingest.movie import Movie
from calcigraph.ingest.register import Moves, find_moves
from calcigraph.models.synthetic.camera import _drift, movie_frames
from calcigraph.models.synthetic.make import make_culture
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.store.types import MovieInfo, silent


class InMemory(Movie):
    def __init__(self, frames: np.ndarray) -> None:
        self._frames = frames
        self.info = MovieInfo(frames.shape, str(frames.dtype), None, "memory")

    def _read(self, index: int) -> np.ndarray:
        return self._frames[index]


def simulated(drift: float, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """A lively movie, and the place of its tissue in every frame."""
    chosen = SyntheticOptions(**{"cells": 40, "size_px": 256, "frames": 40, "seed": 3, "drift_px": drift} | options)
    return np.stack(list(movie_frames(make_culture(chosen)))), _drift(chosen)


def error(moves: Moves, true: np.ndarray) -> np.ndarray:
    return np.asarray(np.hypot(moves.x_px - true[0], moves.y_px - true[1]))


@pytest.mark.parametrize("how", ["shift", "rigid"])
@pytest.mark.parametrize("options", [{}, {"brightness": 200.0}, {"bleaching": 0.5, "spikes": 6}])
def test_a_known_drift_is_found(how, options):
    movie, true = simulated(8.0, **options)
    moves = find_moves(InMemory(movie), how, silent)
    assert np.median(error(moves, true)) < 0.1
    assert error(moves, true).max() < 0.4
    assert moves.lost == 0
    assert moves.reach_px == pytest.approx(8, abs=0.2)
    assert np.abs(moves.degrees).max() < 0.1


def test_still_tissue_stays():
    movie, _ = simulated(0.0)
    moves = find_moves(InMemory(movie), "shift", silent)
    assert moves.reach_px < 0.1
    assert moves.facts["moved"] == 0


def test_a_turn_is_found_and_taken_back():
    still, _ = simulated(0.0, frames=20)
    angles = np.linspace(0, 2, 20)
    movie = still.copy()
    for index, angle in enumerate(angles):  # OpenCV turns against the clock for angles above 0
        matrix = cv2.getRotationMatrix2D((127.5, 127.5), -angle, 1)
        movie[index] = cv2.warpAffine(still[index], matrix, (256, 256), borderMode=cv2.BORDER_REPLICATE)
    moves = find_moves(InMemory(movie), "rigid", silent)
    assert moves.degrees == pytest.approx(angles, abs=0.05)
    assert moves.reach_px < 0.2
    assert "degrees" in moves.facts


@pytest.mark.parametrize("jump", [(20, 0), (-9, 14)])
def test_a_jump_is_found(jump):
    movie, true = simulated(1.0)
    movie[25:] = np.roll(movie[25:], jump, axis=(2, 1))
    true[:, 25:] += np.array(jump)[:, None]
    moves = find_moves(InMemory(movie), "shift", silent)
    assert error(moves, true).max() < 0.3


def test_a_dark_frame_is_lost_and_stays_with_the_one_before():
    movie, true = simulated(5.0)
    movie[20] = np.random.default_rng(0).poisson(50, movie[20].shape).astype(np.uint16)
    moves = find_moves(InMemory(movie), "shift", silent)
    assert moves.lost == 1
    assert "1 of 40 frames show nothing in common" in moves.warnings[0]
    assert (moves.x_px[20], moves.y_px[20]) == (moves.x_px[19], moves.y_px[19])
    assert np.delete(error(moves, true), 20).max() < 0.3


def test_a_frame_is_moved_back_within_its_values():
    frame = np.random.default_rng(1).integers(5, 60000, (64, 80)).astype(np.uint16)
    moved = np.roll(frame, (3, -2), axis=(0, 1))
    none = np.zeros(1)
    back = Moves(x_px=none - 2, y_px=none + 3, degrees=none, lost=0).back(moved, 0)
    assert (back[:-3, 2:] == frame[:-3, 2:]).all()
    assert back.dtype == np.uint16
    assert (back[-3:, 5] == back[-4, 5]).all()  # what came in from outside repeats the edge
    half = Moves(x_px=none + 0.5, y_px=none, degrees=none + 3, lost=0).back(moved, 0)
    assert (half.min() >= moved.min(), half.max() <= moved.max()) == (True, True)


def test_the_ingest_keeps_shifts_and_removes_the_warning(tmp_path: Path, run, tissue_movie):
    movie = tissue_movie(shift=6).astype(np.uint16)
    assert run(tmp_path, movie).culture.registration == {}
    data = run(tmp_path, movie, register="shift")
    kept = data.culture.registration
    assert data.culture.shift_px < 0.5
    assert not any(each.startswith("shift") for each in data.culture.warnings)
    assert len(kept["x_px"]) == len(kept["y_px"]) == data.culture.frames
    assert kept["y_px"][-1] == pytest.approx(-6, abs=0.15)
    assert kept["largest_px"] == pytest.approx(6, abs=0.15)
    assert data.culture.options["register"] == "shift"
    about = json.loads((tmp_path / "a.ome.zarr" / "zarr.json").read_text())["attributes"]["calcigraph"]
    assert about["registration"] == kept


def test_the_digest_of_older_ingests_stays(tmp_path: Path, run, tissue_movie):
    data = run(tmp_path, tissue_movie().astype(np.uint16))
    options = IngestOptions(frame_interval_s=10.0, masks=str(tmp_path / "masks.tif"))
    source = str(tmp_path / "movie.tif")
    assert "register" not in data.culture.options
    assert input_digest(source, options) == data.culture.input_digest
    assert input_digest(source, replace(options, register="shift")) != data.culture.input_digest
    again = run(tmp_path, tissue_movie().astype(np.uint16), register="shift")
    assert input_digest(source, replace(options, register="shift")) == again.culture.input_digest


def test_another_word_is_refused():
    with pytest.raises(InputError, match="--register on: expected one of none, shift, rigid"):
        IngestOptions(register="on")


@pytest.mark.slow
def test_the_coupling_of_a_culture_that_drifts_is_right_with_it(tmp_path: Path):
    """What docs/files.md says: 0.026 /s without registration and 0.020 with it, where 0.02 is true."""
    from calcigraph import FitOptions, SyntheticOptions, Workspace

    options = SyntheticOptions(seed=22, drift_px=8.0, k=0.02)
    found = {}
    with Workspace(tmp_path / "workspace") as workspace:
        workspace.simulate(str(tmp_path / "a.tif"), options)
        for how in ("none", "shift"):
            chosen = IngestOptions(masks=str(tmp_path / "a_labels.tif"), register=how)
            culture, _ = workspace.ingest(str(tmp_path / "a.tif"), how, chosen)
            found[how] = workspace.fit(how, options=FitOptions(case="shared")).k
    place = Moves(np.array(culture.registration["x_px"]), np.array(culture.registration["y_px"]), np.zeros(361), 0)
    assert np.median(error(place, _drift(options))) < 0.07
    assert error(place, _drift(options)).max() < 0.14
    assert found["none"] == pytest.approx(0.026, abs=5e-4)
    assert found["shift"] == pytest.approx(0.020, abs=5e-4)
