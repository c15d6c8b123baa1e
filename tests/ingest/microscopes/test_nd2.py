"""ND2 files of Nikon: what is read equals what nd2 reads, and what is damaged is one line."""

from __future__ import annotations

import nd2
import numpy as np
import pytest
from microscope_files import (
    FRAMES,
    NAMES,
    PIXEL_UM,
    TIMES,
    read,
    write_nd2,
)

from calcigraph.errors import InputError
from calcigraph.ingest import open_movie


def test_nd2(nd2_file, stack):
    found, info = read(nd2_file, channel="mcherry caax", z="2")
    np.testing.assert_array_equal(found, nd2.imread(nd2_file)[:, 2, 1])
    np.testing.assert_allclose(info.times.times_s, TIMES)
    assert info.pixel_size_um == PIXEL_UM
    assert info.picked == (("channel", 1), ("channel_name", NAMES[1]), ("z", 2))
    np.testing.assert_array_equal(read(nd2_file, channel="0", z="max")[0], stack[:, :, 0].max(axis=1))


def test_nd2_with_positions(tmp_path, stack):
    places = np.stack([stack, stack + 1], 1)
    path = write_nd2(tmp_path / "p.nd2", places, positions=("dish 1", "dish 2"))
    np.testing.assert_array_equal(nd2.imread(path), places)
    with pytest.raises(
        InputError, match=r"2 scenes: 0 dish 1, 1 dish 2, and 2 channels: .*, and 3 z-planes: 0 to 2; add"
    ):
        open_movie(str(path))
    found, info = read(path, scene="dish 2", channel="0", z="1")
    np.testing.assert_array_equal(found, stack[:, 1, 0] + 1)
    assert info.picked[:2] == (("scene", 1), ("scene_name", "dish 2"))


def test_nd2_that_was_stopped(tmp_path, stack):
    path = write_nd2(tmp_path / "s.nd2", stack[:, None, :1, :1], stored=3)
    assert not nd2.imread(path)[3:].any()  # the library gives 0 for what is not there
    with open_movie(str(path)) as movie:
        assert movie.broken_off == "its experiment names 5 frames, 3 are there (0 to 2)"
        np.testing.assert_array_equal(np.stack(list(movie.frames())), stack[:3, 0, 0])


def test_compressed_nd2(tmp_path, stack):
    path = write_nd2(tmp_path / "z.nd2", stack[:, None, :1], packed=True)
    np.testing.assert_array_equal(read(path, channel="1")[0], nd2.imread(path)[:, 1])
    np.testing.assert_array_equal(read(path, channel="1")[0], stack[:, 0, 1])


def test_nd2_without_times(tmp_path, stack):
    path = write_nd2(tmp_path / "n.nd2", stack[:, None, :1, :1], times=np.zeros(FRAMES), calibrated=False)
    info = read(path)[1]
    assert (info.times.times_s, info.times.interval_s, info.pixel_size_um) == (None, 0.5, None)


def test_nd2_whose_metadata_the_library_cannot_read(tmp_path, stack, monkeypatch):
    """nd2 0.12 fails for a channel without a probe or filter, as transmitted light has none."""

    def fails(_):
        raise UnboundLocalError("cannot access local variable 'excitation'")

    monkeypatch.setattr(nd2.ND2File, "metadata", property(fails))
    path = write_nd2(tmp_path / "b.nd2", stack[:, None, :1])
    found, info = read(path, channel="1")
    np.testing.assert_array_equal(found, stack[:, 0, 1])
    np.testing.assert_allclose(info.times.times_s, TIMES)
    assert "names of channels and pixel size cannot be read by nd2" in info.notes[0]
