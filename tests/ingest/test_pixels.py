"""What a pixel means: its sign, its scale, its size; and the word of k where it is no brightness."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from calcigraph.errors import InputError
from calcigraph.ingest import open_movie, read_masks
from calcigraph.ingest.options import IngestOptions


@pytest.mark.parametrize("kind", ["plain", "compressed", "ImageJ", "folder"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_of_which_0_is_white_are_inverted(tmp_path, movie, kind, dtype, ready):
    bright = (movie // (16 if dtype == np.uint8 else 1)).astype(dtype)
    white = (np.iinfo(dtype).max - bright).astype(dtype)
    options = {"photometric": "miniswhite"}
    path = tmp_path / "m.tif"
    if kind == "folder":
        for index, frame in enumerate(white):
            tifffile.imwrite(tmp_path / f"t{index}.tif", frame, **options)
        path = tmp_path
    elif kind == "ImageJ":
        tifffile.imwrite(path, white, imagej=True, metadata={"axes": "TYX"}, **options)
    else:
        tifffile.imwrite(path, white, compression="zlib" if kind == "compressed" else None, **options)
    found, _, notes = ready(path, frame_interval_s=5.0)
    np.testing.assert_array_equal(found, bright)
    assert "MinIsWhite" in notes[0]


def test_labels_of_which_0_is_white_are_labels_still(tmp_path, movie):
    labels = np.zeros(movie.shape[1:], np.uint16)
    labels[2:20, 2:20] = 7
    tifffile.imwrite(tmp_path / "labels.tif", labels, photometric="miniswhite")
    np.testing.assert_array_equal(read_masks(str(tmp_path / "labels.tif"), labels.shape).labels, labels)


def test_floats_of_which_0_is_white_are_refused(tmp_path, movie):
    tifffile.imwrite(tmp_path / "m.tif", movie.astype(np.float32), photometric="miniswhite")
    with pytest.raises(InputError, match="MinIsWhite"):
        open_movie(str(tmp_path / "m.tif"), timed=True)


def test_background_in_counts_and_scale(tmp_path, movie, ready):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie + 30000, photometric="minisblack")
    found, _, _ = ready(path, frame_interval_s=5.0, background=30100)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, np.maximum(movie.astype(int) - 100, 0))
    tifffile.imwrite(path, (movie / 65535).astype(np.float32))
    found, _, _ = ready(path, frame_interval_s=5.0, scale=65535)
    np.testing.assert_allclose(found, movie, rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        *({"background": given} for given in ("nan", "101%", "", True)),
        {"scale": 0.0},
        {"trust_interval": True},
    ],
)
def test_senseless_choices(options):
    with pytest.raises(InputError, match="--"):
        IngestOptions(**options)


@pytest.mark.parametrize(
    ("unit", "resolution", "size"),
    [
        ("inch", (72, 72), None),
        ("in", (300, 300), None),
        ("um", (1 / 0.65, 1 / 0.65), 0.65),
        ("micron", (2.0, 2.0), 0.5),
    ],
)
def test_an_imagej_resolution_in_inches_is_a_printers(tmp_path, movie, unit, resolution, size):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie, imagej=True, resolution=resolution, metadata={"axes": "TYX", "unit": unit})
    with open_movie(str(path)) as found:
        assert found.info.pixel_size_um == (None if size is None else pytest.approx(size, rel=1e-3))


@pytest.mark.parametrize(("per_cm", "size"), [(1, None), (10000, 1.0), (15384, 0.65)])
def test_one_pixel_a_centimetre_is_nobodys(tmp_path, movie, per_cm, size):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, movie, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER", metadata=None)
    with open_movie(str(path), timed=True) as found:
        assert found.info.pixel_size_um == (None if size is None else pytest.approx(size, rel=1e-3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pixels: (pixels / 65535).astype(np.float32), "ingest with --scale"),
        (lambda pixels: (pixels + 40000).clip(0, 65535).astype(np.uint16), "ingest with --background"),
        (lambda pixels: pixels.astype(np.uint16), None),
    ],
)
def test_pixels_that_are_no_brightness_make_the_coupling_doubtful(tmp_path, run, tissue_movie, change, words):
    culture = run(tmp_path, change(tissue_movie())).culture
    if words is None:
        assert (culture.doubts, culture.warnings) == ((), ())
        return
    assert words in culture.doubts[0]
    assert culture.warnings[0] == culture.doubts[0]


def test_the_advice_on_pixels_takes_the_doubt_away(tmp_path, run, tissue_movie):
    pixels = tissue_movie().astype(np.uint16)
    plain = run(tmp_path, pixels)
    for changed, advice in [
        ((pixels / 65535).astype(np.float32), {"scale": 65535.0}),
        ((pixels.astype(int) + 40000).astype(np.uint16), {"background": 40000.0}),
    ]:
        mended = run(tmp_path, changed, **advice)
        assert mended.culture.doubts == ()
        np.testing.assert_allclose(mended.cells.intensity, plain.cells.intensity, rtol=1e-4)
