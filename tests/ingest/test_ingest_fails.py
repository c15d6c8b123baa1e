"""An ingest that cannot be done, or is killed: the user's own error, nothing left behind, and bounded memory."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile

from calcigraph.errors import CalcigraphError, InputError, WorkspaceError
from calcigraph.ingest import IngestOptions
from calcigraph.store.movie import open_store

SIZE = 96
"""Of `cells`, in px."""


def test_the_frame_interval_must_come_from_somewhere(tmp_path, run, tissue_movie):
    with pytest.raises(InputError, match="--frame-interval"):
        run(tmp_path, tissue_movie().astype(np.uint16), frame_interval_s=None)
    assert not (tmp_path / "a.ome.zarr").exists()


def test_a_frame_to_segment_that_is_not_there(tmp_path, run, tissue_movie):
    with pytest.raises(InputError, match="frames 0 to 39"):
        run(tmp_path, tissue_movie().astype(np.uint16), masks=None, segment_on=40)


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


@pytest.mark.parametrize(
    ("movie", "words"),
    [
        (np.full((5, SIZE, SIZE), 7, np.uint16), "one value"),
        (np.full((5, SIZE, SIZE), -1, np.float32), "no log"),
        (np.full((5, SIZE, SIZE), -1, np.int16), "not negative"),
        (np.full((5, SIZE, SIZE), np.nan, np.float32), "not finite"),
    ],
)
def test_movies_that_cannot_be_used_leave_nothing(tmp_path, movie, words, run):
    with pytest.raises(InputError, match=words):
        run(tmp_path, movie)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["masks.tif", "movie.tif"]


def test_an_error_in_the_middle_is_the_users_error_and_leaves_nothing(tmp_path, run, tissue_movie):
    movie = tissue_movie().astype(np.float32)
    movie[-1, 5, 5] = np.inf
    with pytest.raises(InputError, match="frame 39"):
        run(tmp_path, movie)
    assert not [path for path in tmp_path.iterdir() if "zarr" in path.name]


def test_a_full_disk_is_a_workspace_error(tmp_path, monkeypatch, run, tissue_movie):
    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("calcigraph.store.chunks.os.write", full)
    with pytest.raises(WorkspaceError, match="No space left"):
        run(tmp_path, tissue_movie().astype(np.uint16))
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


def test_a_killed_ingest_leaves_nothing_or_all(tmp_path, run, tissue_movie):
    run(tmp_path, np.tile(tissue_movie().astype(np.uint16), (8, 1, 1)))
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


def test_every_error_is_the_products_own(tmp_path, again):
    with pytest.raises(CalcigraphError):
        again(tmp_path, IngestOptions(frame_interval_s=1.0), "missing.tif")
