"""Films in colour, as tifffile takes any array of (T, 3, Y, X) for one, and axes that the user names."""

import cv2
import numpy as np
import pytest
import tifffile

from calcigraph.errors import InputError
from calcigraph.ingest.axes import Choice
from calcigraph.ingest.formats import open_movie
from calcigraph.ingest.options import IngestOptions

T, Y, X = 6, 20, 24
FILM = np.random.default_rng(0).integers(0, 4000, (T, 3, Y, X)).astype(np.uint16)
"""Time, channel, Y, X."""
LAST = np.ascontiguousarray(FILM.transpose(0, 2, 3, 1))
"""The same with the channel last."""


def pixels(source, **choice):
    with open_movie(str(source), timed=True, choice=Choice(**choice)) as movie:
        assert movie.broken_off is None
        return np.stack(list(movie.frames())), dict(movie.info.picked)


@pytest.mark.parametrize("array", [FILM, LAST], ids=["apart", "beside each other"])
@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"bigtiff": True}, {"rowsperstrip": 7}, {"byteorder": ">"}],
    ids=str,
)
def test_colours_of_a_tiff_are_channels(tmp_path, array, options):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, array, photometric="rgb", **options)
    for number, name in enumerate(("red", "green", "blue")):
        for wanted in (name, str(number)):
            found, picked = pixels(path, channel=wanted)
            np.testing.assert_array_equal(found, FILM[:, number])
            assert picked == {"channel": number, "channel_name": name}
    with pytest.raises(InputError, match="has 3 channels: 0 red, 1 green, 2 blue; add --channel NUMBER or NAME"):
        pixels(path)


def test_colours_of_imagej(tmp_path):
    bytes_ = (LAST // 16).astype(np.uint8)
    tifffile.imwrite(tmp_path / "m.tif", bytes_, imagej=True)
    np.testing.assert_array_equal(pixels(tmp_path / "m.tif", channel="blue")[0], bytes_[..., 2])


def test_an_opacity_is_a_fourth_channel_without_a_name(tmp_path):
    with_opacity = np.concatenate((LAST, np.full_like(LAST[..., :1], 9)), axis=-1)
    tifffile.imwrite(tmp_path / "m.tif", with_opacity, photometric="rgb", extrasamples=["unassalpha"])
    found, picked = pixels(tmp_path / "m.tif", channel="3")
    assert (found == 9).all()
    assert picked == {"channel": 3}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_folder_of_colour_images(tmp_path, suffix):
    for number, frame in enumerate(LAST):
        if suffix == ".png":
            cv2.imwrite(str(tmp_path / f"f{number}.png"), frame[:, :, ::-1])
        else:
            tifffile.imwrite(tmp_path / f"f{number}.tif", frame, photometric="rgb")
    found, picked = pixels(tmp_path, channel="green")
    np.testing.assert_array_equal(found, FILM[:, 1])
    assert picked == {"channel": 1, "channel_name": "green"}
    with pytest.raises(InputError, match="add --channel"):
        pixels(tmp_path)


@pytest.mark.parametrize("first_in_colour", [True, False])
def test_grey_and_colour_images_in_one_folder_are_refused(tmp_path, first_in_colour):
    for number, frame in enumerate(LAST[:3]):
        in_colour = first_in_colour == (number == 0)
        tifffile.imwrite(
            tmp_path / f"f{number}.tif",
            frame if in_colour else frame[:, :, 0],
            photometric="rgb" if in_colour else "minisblack",
        )
    with pytest.raises(InputError, match=r"f1\.tif: (grey|in colour), unlike the first frame"):
        pixels(tmp_path, channel="0")


@pytest.mark.parametrize(
    ("array", "axes", "choice", "expected"),
    [
        (FILM, "TCYX", {"channel": "1"}, FILM[:, 1]),
        (FILM, "CTYX", {"channel": "4"}, FILM[4]),
        (FILM, "TZYX", {"z": "max"}, FILM.max(axis=1)),
        (FILM[:, 0], "TYX", {}, FILM[:, 0]),
        (FILM[:3, 0], "TYX", {}, FILM[:3, 0]),
        (np.stack([FILM, FILM + 1], axis=2), "TCZYX", {"channel": "2", "z": "1"}, FILM[:, 2] + 1),
    ],
)
def test_the_user_says_what_the_axes_are(tmp_path, array, axes, choice, expected):
    tifffile.imwrite(tmp_path / "m.tif", array, photometric="minisblack", metadata=None if array.ndim < 4 else {})
    np.testing.assert_array_equal(pixels(tmp_path / "m.tif", axes=axes, **choice)[0], expected)


def test_axes_that_do_not_fit_the_file_are_refused(tmp_path):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, FILM, photometric="minisblack")
    for axes, message in (("TYX", "names 3: expected one letter for each of its 4"), ("TYXC", "where the file has")):
        with pytest.raises(InputError, match=message):
            pixels(path, axes=axes)
    with pytest.raises(InputError, match="such as --axes TCYX"):
        pixels(path)
    for number, frame in enumerate(FILM[:3, 0]):
        cv2.imwrite(str(tmp_path / f"f{number}.png"), frame)
    with pytest.raises(InputError, match="--axes is for a TIFF"):
        pixels(tmp_path / "f*.png", axes="TYX")


@pytest.mark.parametrize("axes", ["", "TXY", "TCY", "TTYX", "TSYX", "TYXZ", "YX", "T Y X"])
def test_words_that_are_no_axes_are_refused(axes):
    with pytest.raises(InputError, match=r"--axes .*as in TCYX or TYXC"):
        IngestOptions(axes=axes)


def test_axes_may_be_written_small():
    assert IngestOptions(axes="tcyx").axes == "TCYX"


def test_a_single_image_in_colour_is_no_movie_but_may_be_said_to_be_three_frames(tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", FILM[0], photometric="rgb")
    with pytest.raises(InputError, match="a single frame in colour"):
        pixels(tmp_path / "m.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "m.tif", axes="TYX")[0], FILM[0])
