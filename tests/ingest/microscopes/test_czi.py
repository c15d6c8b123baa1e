"""CZI files of Zeiss: what is read equals what pylibCZIrw reads, and what is damaged is one line."""

from __future__ import annotations

import numpy as np
import pytest
from microscope_files import (
    FRAMES,
    NAMES,
    PIXEL_UM,
    TIMES,
    attach_times,
    read,
    write_czi,
)
from pylibCZIrw import czi

from calcigraph.errors import InputError
from calcigraph.ingest import open_movie


def test_czi(czi_file, stack):
    with czi.open_czi(str(czi_file)) as file:
        theirs = [file.read(plane={"T": time, "Z": 1, "C": 1})[:, :, 0] for time in range(FRAMES)]
    found, info = read(czi_file, channel=NAMES[1], z="1")
    np.testing.assert_array_equal(found, theirs)
    np.testing.assert_array_equal(found, stack[:, 1, 1])
    assert info.pixel_size_um == pytest.approx(PIXEL_UM)
    assert info.dtype == "uint16"
    np.testing.assert_array_equal(read(czi_file, channel="0", z="max")[0], stack[:, :, 0].max(axis=1))


def test_czi_has_time_stamps_attached(tmp_path, stack, ready):
    path = write_czi(tmp_path / "t.czi", stack[:, :1, :1])
    with pytest.raises(InputError, match="give --frame-interval in seconds"):
        ready(path)
    attach_times(path, 360.4 + TIMES)
    with czi.open_czi(str(path)) as file:  # still a CZI to the library
        np.testing.assert_array_equal(file.read(plane={"T": 3})[:, :, 0], stack[3, 0, 0])
    found, timing, notes = ready(path)
    np.testing.assert_array_equal(found, stack[:, 0, 0])
    np.testing.assert_allclose(timing.times_s, TIMES)
    assert notes == (
        "time: frames are not evenly spaced (the file's TimeStamps): 1 of 4 steps differ from the usual 0.5 s by more "
        "than 5%; they run from 0.5 to 1.25 s, the longest after frame 2",
    )


def test_compressed_czi(tmp_path, stack):
    path = write_czi(tmp_path / "z.czi", stack[:, :1], packing="zstd1:ExplicitLevel=3")
    np.testing.assert_array_equal(read(path, channel="1")[0], stack[:, 0, 1])


def test_czi_with_scenes(tmp_path, stack):
    path = write_czi(tmp_path / "s.czi", stack[:, :1], scenes=3)
    with pytest.raises(
        InputError, match=r"has 3 scenes: 0 to 2, and 2 channels: 0 GCaMP6s, 1 mCherry CAAX; add --scene"
    ):
        open_movie(str(path))
    np.testing.assert_array_equal(read(path, scene="2", channel="0")[0], stack[:, 0, 0] + np.uint16(2))


def test_czi_that_was_stopped(tmp_path, stack, ready):
    path = write_czi(tmp_path / "m.czi", stack[:, :1, :1], missing={(0, 3, 0, 0)}, names=NAMES[:1])
    with pytest.raises(InputError, match=r"names 5 frames, 3 are there \(0 to 2\); give --frames 0:2"):
        ready(path, frame_interval_s=5.0)
    np.testing.assert_array_equal(ready(path, frame_interval_s=5.0, frames=":2")[0], stack[:3, 0, 0])


def test_czi_in_colour(tmp_path):
    with czi.create_czi(str(tmp_path / "c.czi")) as file:
        for time in range(3):
            file.write(np.zeros((20, 30, 3), np.uint8), plane={"T": time})
    with pytest.raises(InputError, match="pixels of type Bgr24; expected one grey channel"):
        open_movie(str(tmp_path / "c.czi"))


@pytest.mark.parametrize(
    ("place", "number"), [(76, b"\x2a\x8a\x95\xba"), (36, b"\xff\xff\xff\x7f"), (40, b"\x00" * 5 + b"\x40")]
)
def test_czi_with_a_block_that_would_end_the_process(tmp_path, stack, place, number):
    """Bytes in the head of its first block: the dimensions that it repeats, and the sizes of what it holds."""
    path = write_czi(tmp_path / "d.czi", stack[:, :1, :1])
    data = bytearray(path.read_bytes())
    first = data.index(b"ZISRAWSUBBLOCK") + place
    data[first : first + len(number)] = number
    path.write_bytes(data)
    with pytest.raises(InputError, match="a block of pixels is damaged, or cut short; copy it again"):
        open_movie(str(path))
