"""Folders of Micro-Manager, of every version, whole and broken off."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from microscope_files import (
    FRAMES,
    PIXEL_UM,
    TIMES,
    read,
    write_folder,
)

from calcigraph.errors import InputError
from calcigraph.ingest import open_movie


@pytest.mark.parametrize("version", [1, 2, 3])
def test_micromanager_folder(tmp_path, stack, version):
    folder = write_folder(tmp_path / "Default", stack, version)
    with pytest.raises(InputError, match=r"has 2 channels: 0 GCaMP6s, 1 mCherry CAAX, and 3 z-planes: 0 to 2; add"):
        open_movie(str(folder))
    found, info = read(folder, channel="1", z="2")
    np.testing.assert_array_equal(found, stack[:, 2, 1])
    np.testing.assert_allclose(info.times.times_s, TIMES + 1e-3)
    assert info.pixel_size_um == PIXEL_UM
    np.testing.assert_array_equal(read(folder, channel="0", z="max")[0], stack[:, :, 0].max(axis=1))


def test_two_images_at_one_place(tmp_path, stack):
    folder = write_folder(tmp_path / "Default", stack[:, :1, :1], version=1)
    (folder / "metadata.txt").write_text(
        (folder / "metadata.txt").read_text().replace('"FrameIndex": 3', '"FrameIndex": 2')
    )
    with pytest.raises(InputError, match=r"gives img_000000002_.* and img_000000003_.* one place"):
        open_movie(str(folder))


def test_micromanager_positions_are_scenes(tmp_path, stack):
    for place in range(2):
        write_folder(tmp_path / f"Pos{place}", stack[:, :1, :1] + np.uint16(place))
    with pytest.raises(InputError, match="has 2 scenes: 0 Pos0, 1 Pos1; add --scene"):
        open_movie(str(tmp_path))
    np.testing.assert_array_equal(read(tmp_path, scene="pos1")[0], stack[:, 0, 0] + np.uint16(1))


def test_micromanager_that_was_killed(tmp_path, stack, ready):
    folder = write_folder(tmp_path / "Default", stack[:, :1, :1], frames=99)
    text = (folder / "metadata.txt").read_text().rstrip()
    (folder / "metadata.txt").write_text(text[:-1] + ",")  # the last bracket is written at the end of a run
    with pytest.raises(InputError, match=r"names 99 frames, 5 are there \(0 to 4\); give --frames 0:4"):
        ready(folder)
    np.testing.assert_array_equal(ready(folder, frames=":")[0], stack[:, 0, 0])


def test_a_text_that_is_not_micromanagers(tmp_path, stack):
    for time in range(FRAMES):
        tifffile.imwrite(tmp_path / f"t{time}.tif", stack[time, 0, 0])
    (tmp_path / "metadata.txt").write_text("filmed on a Monday")
    np.testing.assert_array_equal(read(tmp_path)[0], stack[:, 0, 0])


# Films that Micro-Manager's core and libraries wrote themselves: make_micromanager_films.py


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    shutil.unpack_archive(Path(__file__).with_name("micromanager_films.zip"), folder)
    return folder


@pytest.mark.parametrize("named", ["film", "film/film_p000.ome.tif", "film/film_p001.ome.tif", "film/*.tif"])
@pytest.mark.parametrize("position", [0, 1])
def test_each_position_of_a_set_is_read_from_its_own_file(films, named, position):
    expected = np.load(films / "positions.npy")  # time, position, channel, plane, Y, X
    found, info = read(films / named, scene=str(position), channel="GCaMP", z="2")
    np.testing.assert_array_equal(found, expected[:, position, 1, 2])
    assert info.pixel_size_um == 0.65
    steps = np.diff(info.times.times_s)
    np.testing.assert_allclose(steps, 0.5, atol=0.1)


def test_ndtiff(films):
    expected = np.load(films / "ndtiff.npy")
    for named in ("ndtiff", "ndtiff/NDTiffStack.tif"):
        for channel, name in enumerate(("DAPI", "GCaMP")):
            found, info = read(films / named, channel=name)
            np.testing.assert_array_equal(found, expected[:, channel])
            np.testing.assert_allclose(info.times.times_s, 0.2 * np.arange(6) + 1.5e-3)
            assert info.pixel_size_um == 0.65
    with pytest.raises(InputError, match="has 2 channels: 0 DAPI, 1 GCaMP; add --channel NUMBER or NAME"):
        open_movie(str(films / "ndtiff"))


def test_stacks_that_do_not_belong_together_are_refused(tmp_path, films):
    for number in range(2):
        shutil.copy(films / "film" / f"film_p00{number}.ome.tif", tmp_path / f"other{number}.tif")
    tifffile.imwrite(tmp_path / "other2.tif", np.zeros((3, 8, 8), np.uint16), photometric="minisblack")
    with pytest.raises(
        InputError, match=r"holds 3 TIFF stacks \(other0.tif, other1.tif, other2.tif\); expected one movie"
    ):
        open_movie(str(tmp_path))
