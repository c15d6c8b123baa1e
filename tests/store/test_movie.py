"""The movie store: bit-exact round trips, valid OME-Zarr, atomic."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numcodecs import blosc

from calcigraph.errors import NotFoundError, WorkspaceError
from calcigraph.store.chunks import write_array
from calcigraph.store.movie import MovieWriter, open_store
from calcigraph.store.types import Normalisation

NORMALISATION = Normalisation(6.0, 7.0)
LABELS = np.kron(np.array([[0, 3], [70000, 9]]), np.ones((10, 12), int)).astype(np.int32)


def write(target, movie, interval=10.0, pixel=0.65, normalisation=NORMALISATION):
    traces = np.arange(3.0 * len(movie)).reshape(3, len(movie))
    with MovieWriter(target, movie.shape, movie.dtype) as writer:
        for block in writer.blocks():
            with writer.block(block) as put:
                for index in block:
                    put(movie[index])
        writer.finish(
            normalisation=normalisation,
            labels=LABELS,
            cells=np.array([3, 9, 70000]),
            traces=traces,
            denoised_traces=traces + 0.5,
            frame_interval_s=interval,
            pixel_size_um=pixel,
            about={"culture": "a"},
        )
    return open_store(target)


def movie(frames=37, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 65536, (frames, 20, 24)).astype(dtype)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(2, 40), st.integers(1, 30), st.integers(1, 30), st.sampled_from(["u2", "f4"]), st.integers(0, 99))
def test_frames_round_trip_and_zarr_reads_the_same(tmp_path, frames, height, width, dtype, seed):
    values = np.random.default_rng(seed).integers(0, 65536, (frames, height, width)).astype(dtype)
    store = write(tmp_path / "a.ome.zarr", values)
    assert all((store.frame(index) == values[index]).all() for index in range(frames))
    array = zarr.open_array(str(store.path / "0"), mode="r")
    assert array.dtype == values.dtype
    assert (array[:] == values).all()
    assert (array[frames // 2] == values[frames // 2]).all()


def test_labels_and_traces_round_trip(tmp_path):
    store = write(tmp_path / "a.ome.zarr", movie())
    assert (store.labels == LABELS).all()
    assert store.cells.tolist() == [3, 9, 70000]
    group = zarr.open_group(str(store.path), mode="r")
    for name, values in {
        "labels/cells/0": store.labels,
        "traces/labels": store.cells,
        "traces/normalised": store.traces,
        "traces/denoised": store.denoised_traces,
    }.items():
        assert (group[name][:] == values).all()
    assert (store.denoised_traces - store.traces == 0.5).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_normalised_frames_are_eq_23(tmp_path, dtype):
    values = movie(dtype=dtype)
    store = write(tmp_path / "a.ome.zarr", values, normalisation=Normalisation(9.5, 10.25))
    d = np.log(values.astype(np.float64) + 1)
    iqr = 10.25 - 9.5
    expected = (d - (9.5 - 2 * iqr)) / ((10.25 + 2 * iqr) - (9.5 - 2 * iqr))
    assert np.abs(store.frames[:] - expected).max() < 1e-12
    assert (store.frames[3:6] == store.frames[:][3:6]).all()
    assert (store.frames[-1] == store.normalised(36)).all()
    assert store.frames.shape == (37, 20, 24)


@pytest.mark.parametrize("pixel", [0.65, None])
def test_validators_pass(tmp_path, pixel):
    from ome_zarr_models.v05 import Image
    from ome_zarr_models.v05.image_label import ImageLabel
    from yaozarrs import validate_zarr_store

    store = write(tmp_path / "a.ome.zarr", movie(), pixel=pixel)
    validate_zarr_store(str(store.path))
    validate_zarr_store(str(store.path / "labels" / "cells"))
    image = Image.from_zarr(zarr.open_group(str(store.path), mode="r"))
    assert image.labels.ome_attributes.labels == ["cells"]
    label = ImageLabel.from_zarr(zarr.open_group(str(store.path / "labels" / "cells"), mode="r"))
    assert [axis.name for axis in label.attributes.ome.multiscales[0].axes] == ["y", "x"]


@pytest.mark.filterwarnings("ignore")
def test_napari_opens_it(tmp_path):
    from napari_ome_zarr import napari_get_reader

    store = write(tmp_path / "a.ome.zarr", movie())
    layers = napari_get_reader(str(store.path))(str(store.path))
    kinds = {kind: np.asarray(data[0] if isinstance(data, list) else data) for data, _, kind in layers}
    assert (kinds["image"] == movie()).all()
    assert (kinds["labels"] == LABELS).all()


def test_frame_interval_and_pixel_size_are_read_back_as_a_movie(tmp_path):
    from calcigraph.ingest import open_movie

    store = write(tmp_path / "a.ome.zarr", movie(), interval=2.5, pixel=None)
    with open_movie(str(store.path)) as again:
        assert (again.info.frame_interval_s, again.info.pixel_size_um) == (2.5, None)
        assert (again.frame(20) == movie()[20]).all()


def test_equal_arrays_are_equal_files(tmp_path, monkeypatch):
    """Blocks that several threads compress lie in the order in which they came: not so here."""
    monkeypatch.setattr(blosc, "use_threads", None)  # as without zarr, which switches threads off
    threads = blosc.set_nthreads(4)
    labels = np.kron(np.arange(1, 1025, dtype=np.int32).reshape(32, 32), np.ones((32, 32), np.int32))
    files = set()
    for number in range(200):
        write_array(tmp_path / str(number), labels, ("y", "x"))
        files.add((tmp_path / str(number) / "c" / "0" / "0").read_bytes())
    assert blosc.set_nthreads(threads) == 4, "the number of threads is as it was"
    assert len(files) == 1


def test_an_abandoned_writer_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), MovieWriter(tmp_path / "a.ome.zarr", (4, 5, 6), np.dtype("u2")):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_killed_writer_is_cleaned_up_by_the_next(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; import numpy as np; from calcigraph.store.movie import MovieWriter\n"
        "MovieWriter(Path(sys.argv[1]), (4, 5, 6), np.dtype('u2')); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.ome.zarr")], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    write(tmp_path / "a.ome.zarr", movie())
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_a_live_writer_is_let_be(tmp_path):
    other = tmp_path / ".a.ome.zarr.partial-1"
    other.mkdir()
    handle = os.open(other, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    write(tmp_path / "a.ome.zarr", movie())
    assert other.exists()
    os.close(handle)


def test_an_old_store_is_replaced_whole(tmp_path):
    write(tmp_path / "a.ome.zarr", movie(40))
    store = write(tmp_path / "a.ome.zarr", movie(5))
    assert store.shape[0] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.zarr"]
    assert zarr.open_array(str(store.path / "0"), mode="r").shape[0] == 5


def test_what_is_missing_or_damaged_is_one_clear_line(tmp_path):
    with pytest.raises(NotFoundError, match="no movie store"):
        open_store(tmp_path / "a.ome.zarr")
    store = write(tmp_path / "a.ome.zarr", movie())
    with pytest.raises(NotFoundError, match="frames 0 to 36"):
        store.frame(37)
    shard = store.path / "0" / "c" / "1" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:-3])
    with pytest.raises(WorkspaceError, match="frame 20 is damaged"):
        store.frame(20)
    (store.path / "labels" / "cells" / "0" / "c" / "0" / "0").unlink()
    with pytest.raises(WorkspaceError, match="labels"):
        _ = store.labels
    (store.path / "zarr.json").write_text(json.dumps({"attributes": {}}))
    with pytest.raises(WorkspaceError, match="not a movie store"):
        open_store(store.path)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be written"):
        MovieWriter(Path(tmp_path / "file" / "a.ome.zarr"), (4, 5, 6), np.dtype("u2"))
