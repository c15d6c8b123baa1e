"""Folders of Micro-Manager, of every version, whole and broken off."""

from __future__ import annotations

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
