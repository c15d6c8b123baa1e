"""Readers: every format, byte order and pixel type; metadata; what is refused and how."""

import cv2
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcigraph.errors import InputError, NotFoundError
from calcigraph.ingest import open_movie
from calcigraph.ingest.movie import camera_values
from calcigraph.ingest.units import micrometres, seconds

MOVIE = np.random.default_rng(0).integers(100, 4000, (7, 20, 24)).astype(np.uint16)
OME = {"axes": "TYX", "TimeIncrement": 500, "TimeIncrementUnit": "ms", "PhysicalSizeX": 650, "PhysicalSizeXUnit": "nm"}


def write_ome_zarr(path, movie, version="0.5", axes="tyx", interval=10.0, **options):
    scale = [interval if a == "t" else 0.65 if a in "yx" else 1.0 for a in axes]
    units = {"t": {"unit": "second", "type": "time"}, "c": {"type": "channel"}}
    space = {"type": "space", "unit": "micrometer"}
    image = {
        "axes": [{"name": a, **units.get(a, space)} for a in axes],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}],
    }
    group = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)
    content = {"version": version, "multiscales": [{"version": version, **image}]}
    group.attrs.update({"ome": content} if version == "0.5" else content)
    group.create_array("0", data=movie, **options)


def write(path, kind, movie=MOVIE):
    """Write a movie as `kind`; return what to open."""
    if kind == "tiff":
        tifffile.imwrite(path / "m.tif", movie, photometric="minisblack")
    elif kind == "bigtiff":
        tifffile.imwrite(path / "m.tif", movie, bigtiff=True, photometric="minisblack")
    elif kind == "ome":
        tifffile.imwrite(path / "m.tif", movie, ome=True, metadata=OME, photometric="minisblack")
    elif kind == "imagej":
        tifffile.imwrite(path / "m.tif", movie, imagej=True, metadata={"axes": "TYX"})
    elif kind == "pages":
        with tifffile.TiffWriter(path / "m.tif") as tiff:
            for frame in movie:
                tiff.write(frame, contiguous=False, metadata=None)
    elif kind in ("zlib", "lzw", "zstd"):
        tifffile.imwrite(path / "m.tif", movie, compression=kind, predictor=kind != "zstd", photometric="minisblack")
    elif kind == "tiled":
        tifffile.imwrite(path / "m.tif", movie, tile=(16, 16), photometric="minisblack")
    elif kind in ("folder", "glob", "png"):
        for index, frame in enumerate(movie):  # t2 must come before t10
            name = path / f"t{index + 4}.{'png' if kind == 'png' else 'tif'}"
            cv2.imwrite(str(name), frame) if kind == "png" else tifffile.imwrite(name, frame)
        return str(path / "t*.tif") if kind == "glob" else str(path)
    else:
        write_ome_zarr(path / "m.zarr", movie if kind != "zarr5d" else movie[:, None, None], *ZARR[kind])
        return str(path / "m.zarr")
    return str(path / "m.tif")


ZARR = {"zarr0.4": ("0.4", "tyx"), "zarr0.5": ("0.5", "tyx"), "zarr5d": ("0.4", "tczyx")}
KINDS = ["tiff", "bigtiff", "ome", "imagej", "pages", "zlib", "lzw", "zstd", "tiled", "folder", "glob", "png", *ZARR]


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_frames_and_digest(tmp_path, kind):
    with open_movie(write(tmp_path, kind)) as movie:
        assert movie.info.shape == MOVIE.shape
        assert movie.info.dtype == "uint16"
        assert (np.stack(list(movie.frames())) == MOVIE).all()
        digest = movie.digest()
    (tmp_path / "other").mkdir()
    with open_movie(write(tmp_path / "other", "tiff")) as movie:
        assert movie.digest() == digest


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["u1", "<u2", ">u2", "<i2", ">i2", "<u4", ">i4", "<f4", ">f4", "<f8", "f2"]),
    st.integers(0, 2**32),
    st.sampled_from(["m.tif", "m_be.tif"]),
)
def test_every_pixel_type_and_byte_order_round_trips(tmp_path, dtype, seed, name):
    values = np.random.default_rng(seed).integers(0, 127, (4, 6, 5)).astype(dtype)
    tifffile.imwrite(
        tmp_path / name,
        values,
        photometric="minisblack",
        byteorder=">" if "be" in name else "<",
        metadata={"axes": "TYX"},
    )
    with open_movie(str(tmp_path / name)) as movie:
        frames = np.stack(list(movie.frames()))
        assert frames.dtype.isnative
        assert (frames == values).all()
        plain = camera_values(movie.frame(0), movie, 0)
        assert plain.dtype == (np.float32 if np.dtype(dtype).kind == "f" else np.uint16)
        assert (plain == values[0]).all()


def test_frame_interval_and_pixel_size(tmp_path):
    def said(path):
        with open_movie(str(path)) as movie:
            return movie.info.frame_interval_s, movie.info.pixel_size_um

    file = tmp_path / "m.tif"
    tifffile.imwrite(file, MOVIE, ome=True, metadata=OME, photometric="minisblack")
    assert said(file) == pytest.approx((0.5, 0.65))
    ij = {"axes": "TYX", "finterval": 10.0, "unit": "um"}
    tifffile.imwrite(file, MOVIE, imagej=True, resolution=(2, 2), metadata=ij)
    assert said(file) == pytest.approx((10.0, 0.5))
    tifffile.imwrite(file, MOVIE, imagej=True, resolution=(2, 2), metadata=ij | {"tunit": "min", "unit": "micron"})
    assert said(file) == pytest.approx((600.0, 0.5))
    tifffile.imwrite(file, MOVIE, imagej=True, metadata={"finterval": 3.0})  # axes called CYX by the writer
    assert said(file) == (3.0, None)
    tifffile.imwrite(file, MOVIE, photometric="minisblack", resolution=(72, 72), resolutionunit="INCH")
    assert said(file) == (None, None)
    for kind in ZARR:
        assert said(write(tmp_path, kind)) == pytest.approx((10.0, 0.65))
    deltas = {"axes": "TYX", "Plane": {"DeltaT": [0.0, 2.0, 4.1, 6.0, 8.0, 10.0, 12.0]}}
    tifffile.imwrite(file, MOVIE, ome=True, metadata=deltas, photometric="minisblack")
    assert said(file)[0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (2, "minutes", 120),
        (2, "hrs", 7200),
        (2, "Hr", 7200),
        (1, "\xb5s", 1e-6),
        (3, "?", None),
        (0, "s", None),
        ("x", "s", None),
    ],
)
def test_seconds(value, unit, expected):
    assert seconds(value, unit) == pytest.approx(expected)


@pytest.mark.parametrize("unit", ["um", "\xb5m", "μm", "micron", "microns", "micrometer", "Micrometre", "\\u00B5m"])
def test_micrometres(unit):
    assert micrometres(0.5, unit) == 0.5


def refuse(source, *words):
    with pytest.raises((InputError, NotFoundError)) as caught, open_movie(str(source)) as movie:
        list(movie.frames())
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def test_missing_files(tmp_path):
    refuse(tmp_path / "m.tif", "m.tif", "no such file")
    refuse(tmp_path / "t*.tif", "no file matches")
    refuse(tmp_path, "no frames in this folder")
    (tmp_path / "notes.txt").write_text("hello")
    refuse(tmp_path / "notes.txt", "not a movie format")


def test_a_file_that_is_no_tiff(tmp_path):
    for content in (b"", b"hello there, this is text", b"II*\0"):
        (tmp_path / "m.tif").write_bytes(content)
        refuse(tmp_path / "m.tif", "m.tif", "export it again")


@pytest.mark.parametrize("kind", ["tiff", "bigtiff", "ome", "imagej", "pages", "zlib", "tiled"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.995])
def test_a_tiff_cut_short_is_refused(tmp_path, kind, share):
    source = tmp_path / "m.tif"
    write(tmp_path, kind, np.tile(MOVIE, (1, 4, 4)))
    data = source.read_bytes()
    source.write_bytes(data[: int(len(data) * share)])
    refuse(source, "m.tif")


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.zeros((5, 9, 8, 3), np.uint8), {"photometric": "rgb"}, "3 channels: 0 red, 1 green, 2 blue"),
        (np.zeros((9, 8, 3), np.uint8), {"photometric": "rgb"}, "RGB"),
        (MOVIE[0], {"photometric": "minisblack"}, "single frame"),
        (
            MOVIE[:6].reshape(3, 2, 20, 24),
            {"imagej": True, "metadata": {"axes": "TCYX"}},
            "has 2 channels: 0, 1; add --channel NUMBER",
        ),
        (
            MOVIE[:6].reshape(3, 2, 20, 24),
            {"ome": True, "photometric": "minisblack", "metadata": {"axes": "TZYX"}},
            "z-plane",
        ),
        (MOVIE, {"ome": True, "photometric": "minisblack", "metadata": {"axes": "ZYX"}}, "z-plane"),
    ],
)
def test_what_is_no_grey_movie_is_refused(tmp_path, image, options, words):
    tifffile.imwrite(tmp_path / "m.tif", image, **options)
    refuse(tmp_path / "m.tif", words)


@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True},
        {"ome": True, "photometric": "minisblack"},
        {"ome": True, "photometric": "minisblack", "metadata": {"axes": "ZYX"}},
        {"ome": True, "photometric": "minisblack", "metadata": {"axes": "CYX"}},
        {"photometric": "minisblack", "metadata": {"axes": "ZYX"}},
        {"photometric": "minisblack", "metadata": {"axes": "EYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX"}, "compression": "zlib"},
    ],
)
def test_one_long_axis_of_any_name_is_time_where_the_interval_is_known(tmp_path, options):
    tifffile.imwrite(tmp_path / "m.tif", MOVIE, **options)
    for source in (tmp_path / "m.tif", tmp_path):
        with open_movie(str(source), timed=True) as movie:
            assert (np.stack(list(movie.frames())) == MOVIE).all()
    refuse(tmp_path / "m.tif", "--frame-interval")


def test_colour_and_two_long_axes_stay_refused_where_the_interval_is_known(tmp_path):
    for image, options in (
        (np.zeros((5, 9, 8, 3), np.uint8), {"photometric": "rgb"}),
        (np.zeros((9, 8, 3), np.uint8), {"photometric": "rgb"}),
        (MOVIE[:6].reshape(3, 2, 20, 24), {"imagej": True, "metadata": {"axes": "TCYX", "finterval": 3.0}}),
    ):
        tifffile.imwrite(tmp_path / "m.tif", image, **options)
        with pytest.raises(InputError, match=r"3 channels: 0 red|RGB|2 channels"):
            open_movie(str(tmp_path / "m.tif"), timed=True)


def test_frames_of_differing_shape(tmp_path):
    with tifffile.TiffWriter(tmp_path / "m.tif") as tiff:
        for frame in (MOVIE[0], MOVIE[1], MOVIE[2, :10]):
            tiff.write(frame, contiguous=False, metadata=None)
    refuse(tmp_path / "m.tif", "differing shape")
    (tmp_path / "m.tif").unlink()
    tifffile.imwrite(tmp_path / "a.tif", MOVIE[0])
    tifffile.imwrite(tmp_path / "b.tif", MOVIE[1, :10])
    refuse(tmp_path, "b.tif", "one size")


def test_frames_of_several_kinds(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", MOVIE[0])
    cv2.imwrite(str(tmp_path / "b.png"), MOVIE[1])
    refuse(tmp_path, "several kinds")


def test_a_folder_of_one_movie_is_that_movie(tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", MOVIE, photometric="minisblack")
    with open_movie(str(tmp_path)) as movie:
        assert movie.info.shape == MOVIE.shape


def test_an_unknown_compression_is_one_line(tmp_path):
    write(tmp_path, "zlib")
    data = bytearray((tmp_path / "m.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "m.tif") as tiff:
        place = tiff.pages[0].tags["Compression"].valueoffset
    data[place : place + 2] = (33333).to_bytes(2, "little")
    (tmp_path / "m.tif").write_bytes(bytes(data))
    refuse(tmp_path / "m.tif", "m.tif")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([[1, -2]], np.int16), "-2"),
        (np.array([[1, 70000]], np.int32), "70000"),
        (np.array([[1, np.nan]], np.float32), "not finite"),
        (np.array([[1, np.inf]], np.float64), "not finite"),
        (np.array([[1, 1e300]], np.float64), "float32"),
        (np.array([[1, 1j]], np.complex64), "complex"),
    ],
)
def test_pixels_that_cannot_be_used(tmp_path, values, words):
    tifffile.imwrite(tmp_path / "m.tif", MOVIE, photometric="minisblack")
    with open_movie(str(tmp_path / "m.tif")) as movie, pytest.raises(InputError, match=words):
        camera_values(values, movie, 3)


def test_zarr_that_cannot_be_used(tmp_path):
    write_ome_zarr(tmp_path / "c.zarr", np.stack([MOVIE, MOVIE], 1), axes="tcyx")
    refuse(tmp_path / "c.zarr", "has 2 channels: 0, 1; add --channel NUMBER")
    write_ome_zarr(tmp_path / "s.zarr", MOVIE[:1])
    refuse(tmp_path / "s.zarr", "at least 2 frames")
    zarr.open_group(str(tmp_path / "e.zarr"), mode="w")
    refuse(tmp_path / "e.zarr", "multiscales")
    write_ome_zarr(tmp_path / "d.zarr", MOVIE)
    (tmp_path / "d.zarr" / "zarr.json").write_text("{")
    refuse(tmp_path / "d.zarr", "not a readable OME-Zarr")
    write_ome_zarr(tmp_path / "x.zarr", MOVIE, chunks=(2, 20, 24))
    (tmp_path / "x.zarr" / "0" / "c" / "1" / "0" / "0").write_bytes(b"nonsense")
    refuse(tmp_path / "x.zarr", "cannot be read")


def test_zarr_chunks_over_time_are_read_right(tmp_path):
    write_ome_zarr(tmp_path / "m.zarr", MOVIE, chunks=(3, 10, 24))
    with open_movie(str(tmp_path / "m.zarr")) as movie:
        assert all((movie.frame(i) == MOVIE[i]).all() for i in (6, 0, 3, 2, 5))
