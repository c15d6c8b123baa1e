"""LIF files of Leica: what is read equals what liffile reads."""

from __future__ import annotations

import liffile
import numpy as np
import pytest
from microscope_files import (
    PIXEL_UM,
    TIMES,
    read,
    write_lif,
)

from calcigraph.errors import InputError
from calcigraph.ingest import Choice, open_movie


def test_lif(lif_file, stack):
    with pytest.raises(InputError, match="has 2 scenes: 0 Overview, 1 Series 2; add --scene NUMBER or NAME"):
        open_movie(str(lif_file))
    found, info = read(lif_file, scene="series 2", channel="red", z="1")
    with liffile.LifFile(lif_file) as file:
        np.testing.assert_array_equal(found, file.images[1].asarray()[:, 1, 1])
    np.testing.assert_allclose(info.times.times_s, TIMES, atol=2e-3)
    assert info.pixel_size_um == pytest.approx(PIXEL_UM)
    assert dict(info.picked) == {"scene": 1, "scene_name": "Series 2", "channel": 1, "channel_name": "Red", "z": 1}
    np.testing.assert_array_equal(read(lif_file, scene="1", channel="0", z="max")[0], stack[:, :, 0].max(axis=1))
    with pytest.raises(InputError, match="Overview: a single frame"):
        open_movie(str(lif_file), choice=Choice(scene="0"))


def test_lif_of_one_plain_film(tmp_path, stack):
    path = write_lif(tmp_path / "p.lif", {"Series": (stack[:, :1, :1] // 256).astype(np.uint8)}, times=TIMES[:0])
    found, info = read(path)
    np.testing.assert_array_equal(found, stack[:, 0, 0] // 256)
    assert (info.dtype, info.times.times_s, info.times.interval_s) == ("uint8", None, 0.5)


def test_tiles_of_a_scan_are_scenes(tmp_path, stack):
    tiles = np.stack([stack, stack[::-1]], axis=1)
    path = write_lif(tmp_path / "t.lif", {"TileScan": tiles})
    with liffile.LifFile(path) as file:
        np.testing.assert_array_equal(file.images[0].asarray(), tiles)
    with pytest.raises(InputError, match="has 2 scenes: 0 TileScan tile 0, 1 TileScan tile 1; add --scene"):
        open_movie(str(path))
    found, info = read(path, scene="tilescan tile 1", channel="1", z="2")
    np.testing.assert_array_equal(found, stack[::-1, 2, 1])
    np.testing.assert_allclose(info.times.times_s, TIMES, atol=2e-3)
