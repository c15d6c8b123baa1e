"""Files that are nobody's standard: each is read right, or refused in one line that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from calcigraph.errors import InputError
from calcigraph.ingest import Choice, open_movie
from calcigraph.ingest.masks import read_masks
from calcigraph.ingest.quality import frame_doubts


def test_a_tiled_pyramid_gives_its_full_resolution(tmp_path: Path, movie: np.ndarray, ready: Any) -> None:
    about = {"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "TimeIncrement": 2.0}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", bigtiff=True) as writer:
        kind: dict[str, Any] = {"photometric": "minisblack", "tile": (16, 16)}
        writer.write(movie, subifds=1, metadata={**about, "TimeIncrementUnit": "s"}, **kind)
        writer.write(movie[:, ::2, ::2], subfiletype=1, **kind)
    found, timing, _ = ready(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(found, movie)
    assert timing.interval_s == 2.0


def test_a_hyperstack_of_mixed_order(tmp_path: Path, ready: Any) -> None:
    stack = np.random.default_rng(0).integers(0, 4000, (8, 2, 3, 20, 31)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "h.tif", stack, imagej=True, metadata={"axes": "TZCYX", "finterval": 2.0})
    np.testing.assert_array_equal(ready(tmp_path / "h.tif", channel="1", z="1")[0], stack[:, 1, 1])
    np.testing.assert_array_equal(ready(tmp_path / "h.tif", channel="2", z="max")[0], stack[:, :, 2].max(axis=1))


@pytest.mark.parametrize("seed", range(5))
def test_channels_that_follow_each_other_as_frames_are_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = np.exp(0.1 * np.cumsum(rng.standard_normal(90)) / 3) * (1 + 0.01 * rng.standard_normal(90))
    assert frame_doubts(500 * cells) == ()
    assert frame_doubts(500 + 20 * rng.standard_normal(90)) == ()
    told = frame_doubts(np.tile([500.0, 180.0, 900.0], 30) * cells)
    assert told[0].startswith("frames: their brightness repeats every 3 frames (")
    assert "every 2 frames" in frame_doubts(np.tile([500.0, 560.0], 45) * cells**0.3)[0]


def test_interleaved_channels_make_the_coupling_doubtful(
    tmp_path: Path, run: Any, tissue_movie: Any, cells: np.ndarray
) -> None:
    film = tissue_movie(20)
    stack = np.stack([film, 0.3 * film], axis=1).reshape(40, *film.shape[1:]).astype(np.uint16)
    culture = run(tmp_path, stack, cells).culture
    assert "repeats every 2 frames" in culture.doubts[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda movie: movie.astype(np.int16) - 2000, "from -[0-9]+ to .*; the logarithm .*: give --background with"),
        (lambda movie: movie.astype(np.uint32) * 100, "expected 0 to 65535; give --scale 0.1, or rescale"),
        (lambda movie: movie > 1000, "pixels of type bool; expected integers or floats"),
    ],
)
def test_pixels_without_a_logarithm(
    tmp_path: Path, movie: np.ndarray, ready: Any, run: Any, change: Any, words: str
) -> None:
    labels = np.ones(movie.shape[1:], np.uint16)
    with pytest.raises(InputError, match=words):
        run(tmp_path, change(movie), labels, min_area=10)


def test_signed_pixels_are_counts_above_the_dark(tmp_path: Path, movie: np.ndarray, ready: Any) -> None:
    tifffile.imwrite(tmp_path / "m.tif", (movie.astype(int) - 2000).astype(np.int16), photometric="minisblack")
    found = ready(tmp_path / "m.tif", frame_interval_s=5.0, background="-2000")[0]
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, movie)
    tifffile.imwrite(tmp_path / "m.tif", movie.astype(np.uint32) + 70000, photometric="minisblack")
    np.testing.assert_array_equal(ready(tmp_path / "m.tif", frame_interval_s=5.0, background=70000)[0], movie)


@pytest.mark.parametrize("suffix", ["tif", "npy"])
def test_masks_of_every_frame(tmp_path: Path, cells: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"m.{suffix}"
    every = np.stack([cells, cells])
    np.save(path, every) if suffix == "npy" else tifffile.imwrite(path, every, photometric="minisblack")
    with pytest.raises(InputError, match=r"one (image a file .masks are one )?label image for all .*frames: save one"):
        read_masks(str(path), cells.shape)


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_that_is_no_image(tmp_path: Path, movie: np.ndarray, version: Any) -> None:
    zarr.save_array(str(tmp_path / "a.zarr"), movie, zarr_format=version)
    with pytest.raises(InputError, match="a Zarr array without the metadata of an image"):
        open_movie(str(tmp_path / "a.zarr"), timed=True)
    plate = zarr.open_group(str(tmp_path / "p.zarr"), mode="w", zarr_format=version)
    plate.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    with pytest.raises(InputError, match="it is a plate: give one field of it, such as A/1/0"):
        open_movie(str(tmp_path / "p.zarr"), timed=True, choice=Choice())
