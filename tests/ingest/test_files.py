"""Files as people have them: what is read must be right whatever the container, or refused in one clear line."""

from __future__ import annotations

import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from calcigraph.errors import InputError
from calcigraph.ingest import open_movie

FRAMES, HEIGHT, WIDTH = 24, 24, 32
READINGS = 500


def read(path, **options):
    with open_movie(str(path), **options) as movie:
        return np.stack(list(movie.frames()))


# Sets of files, and threads


def ome_set(folder: Path, movie, files=3, compression=None):
    """A Micro-Manager set: every file has the description of the whole."""
    count = -(-len(movie) // files)
    names = [f"a_MMStack_{number}.ome.tif" for number in range(files)]
    uid = "urn:uuid:00000000-0000-0000-0000-{:012d}".format
    data = "".join(
        f'<TiffData FirstT="{t}" IFD="{t % count}" PlaneCount="1">'
        f'<UUID FileName="{names[t // count]}">{uid(t // count)}</UUID></TiffData>'
        for t in range(len(movie))
    )
    for number, name in enumerate(names):
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uid(number)}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" '
            f'SizeX="{WIDTH}" SizeY="{HEIGHT}" SizeC="1" SizeZ="1" SizeT="{len(movie)}" TimeIncrement="5" '
            f'TimeIncrementUnit="s"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{data}</Pixels></Image></OME>'
        )
        with tifffile.TiffWriter(folder / name) as writer:
            for index, frame in enumerate(movie[number * count : (number + 1) * count]):
                description = text if index == 0 else None
                writer.write(
                    frame, photometric="minisblack", description=description, metadata=None, contiguous=False,
                    compression=compression,
                )  # fmt: skip
    return folder / names[0]


def plain(folder, movie, **options):
    tifffile.imwrite(folder / "m.tif", movie, photometric="minisblack", **options)
    return folder / "m.tif"


def single_frames(folder, movie):
    for index, frame in enumerate(movie):
        tifffile.imwrite(folder / f"t{index}.tif", frame)
    return folder


def zarr_movie(folder, movie, scale=(5.0, 0.65, 0.65), missing=(), units=("second", "micrometer", "micrometer")):
    array = folder / "m.zarr" / "0"
    array.mkdir(parents=True)
    (folder / "m.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    chunks = (1, 12, 32)
    meta = {
        "zarr_format": 2, "shape": movie.shape, "chunks": chunks, "dtype": "<u2", "compressor": None, "fill_value": 0,
        "order": "C", "filters": None, "dimension_separator": "/",
    }  # fmt: skip
    (array / ".zarray").write_text(json.dumps(meta))
    for place in np.ndindex(len(movie), 2, 1):
        if place not in missing:
            file = array.joinpath(*map(str, place))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(movie[place[0], place[1] * 12 : place[1] * 12 + 12].tobytes())
    axes = [
        {"name": name, "type": "time" if name == "t" else "space"} | ({"unit": unit} if unit else {})
        for name, unit in zip("tyx", units, strict=True)
    ]
    level = {"path": "0"} | ({"coordinateTransformations": [{"type": "scale", "scale": scale}]} if scale else {})
    attributes = {"multiscales": [{"version": "0.4", "axes": axes, "datasets": [level]}]}
    (folder / "m.zarr" / ".zattrs").write_text(json.dumps(attributes))
    return folder / "m.zarr"


WRITERS = {
    "plain": plain,
    "compressed": lambda folder, movie: plain(folder, movie, compression="zlib"),
    "ImageJ": lambda folder, movie: plain(folder, movie, imagej=True, metadata={"axes": "TYX"}),
    "OME": lambda folder, movie: plain(folder, movie, ome=True, metadata={"axes": "TYX"}),
    "OME set": ome_set,
    "compressed OME set": lambda folder, movie: ome_set(folder, movie, compression="zlib"),
    "folder": single_frames,
    "OME-Zarr": zarr_movie,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_threads_read_what_one_reader_reads(tmp_path, movie, kind):
    """No library warning reaches the user either: here it would be an error."""
    path = WRITERS[kind](tmp_path, movie)
    order = np.random.default_rng(0).integers(0, FRAMES, READINGS)
    with open_movie(str(path)) as found, ThreadPoolExecutor(4) as pool:
        for index, frame in zip(order.tolist(), pool.map(found.frame, order.tolist()), strict=True):
            np.testing.assert_array_equal(frame, movie[index])


def test_a_set_of_very_many_files_keeps_few_open(tmp_path, movie, monkeypatch):
    monkeypatch.setattr("calcigraph.ingest.tiff.MOST_OPEN", 2)
    path = ome_set(tmp_path, movie, files=6)
    with open_movie(str(path)) as found, ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(np.stack(list(pool.map(found.frame, range(FRAMES)))), movie)


# Axes


@pytest.mark.parametrize("shape", [(12, 2), (2, 12), (2, 3, 4)])
def test_several_axes_are_refused_whatever_their_letters(tmp_path, movie, shape):
    tifffile.imwrite(tmp_path / "m.tif", movie.reshape(*shape, HEIGHT, WIDTH), photometric="minisblack")
    with pytest.raises(InputError, match=r"axes Q+YX of size .*; expected only time, Y and X"):
        open_movie(str(tmp_path / "m.tif"), timed=True)


def test_a_folder_with_two_channels_is_refused_and_a_glob_picks_one(tmp_path, movie):
    for index, frame in enumerate(movie):
        for channel in range(2):
            tifffile.imwrite(tmp_path / f"img_{index:05d}_Ch{channel}_000.tif", frame + channel)
    with pytest.raises(InputError, match=r"several movies: img \(24 values\) x Ch \(2 values\); give a glob"):
        open_movie(str(tmp_path))
    np.testing.assert_array_equal(read(tmp_path / "*_Ch1_*"), movie + 1)


def test_what_lies_among_frames_is_left_out_and_named(tmp_path, movie, ready):
    single_frames(tmp_path, movie)
    (tmp_path / "._t0.tif").write_bytes(b"\0\5\x16\7Mac OS X")
    tifffile.imwrite(tmp_path / "t0_cp_masks.tif", movie[0])
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    found, _, notes = ready(tmp_path, frame_interval_s=5.0)
    np.testing.assert_array_equal(found, movie)
    assert notes == ("files left out: ._t0.tif, t0_cp_masks.tif: no frames",)


def test_brackets_in_a_folders_name(tmp_path, movie):
    folder = tmp_path / "exp [1]" / "day 2"
    folder.mkdir(parents=True)
    single_frames(folder, movie)
    np.testing.assert_array_equal(read(folder / "*.tif"), movie)


def test_missing_numbers_are_times(tmp_path, movie, ready):
    for index, frame in enumerate(movie):
        if index not in (7, 8):
            tifffile.imwrite(tmp_path / f"f{index:03d}.tif", frame)
    found, timing, notes = ready(tmp_path, frame_interval_s=5.0)
    assert len(found) == FRAMES - 2
    np.testing.assert_array_equal(timing.times_s, 5.0 * np.setdiff1d(np.arange(FRAMES), [7, 8]))
    assert "the names of its files" in notes[0]


# Counts


def broken_off(folder, movie, there):
    """OME text that names all frames, pages for the first `there`."""
    path = folder / "m.ome.tif"
    text = tifffile.OmeXml()
    text.addimage(np.uint16, movie.shape, (len(movie), 1, 1, HEIGHT, WIDTH, 1), axes="TYX", TimeIncrement=5.0)
    with tifffile.TiffWriter(path) as writer:
        for index, frame in enumerate(movie[:there]):
            writer.write(
                frame, photometric="minisblack", description=text.tostring() if index == 0 else None, metadata=None,
                contiguous=False,
            )  # fmt: skip
    return path


def test_a_stopped_acquisition_is_told_and_can_be_taken(tmp_path, movie, ready):
    path = broken_off(tmp_path, movie, 17)
    for _ in range(5):
        with pytest.raises(InputError, match=r"names 24 frames, 17 are there \(0 to 16\); give --frames 0:16"):
            ready(path)
    found, timing, notes = ready(path, frames="0:16")
    np.testing.assert_array_equal(found, movie[:17])
    assert timing.interval_s == 5.0
    assert "0:16 were taken" in notes[0]


def test_more_pages_than_the_description_names(tmp_path, movie, ready):
    text = tifffile.OmeXml()
    text.addimage(np.uint16, (10, HEIGHT, WIDTH), (10, 1, 1, HEIGHT, WIDTH, 1), axes="TYX", TimeIncrement=5.0)
    with tifffile.TiffWriter(tmp_path / "m.ome.tif") as writer:
        for index, frame in enumerate(movie):
            writer.write(
                frame, photometric="minisblack", description=text.tostring() if index == 0 else None, metadata=None,
                contiguous=False,
            )  # fmt: skip
    with pytest.raises(InputError, match="names 10 frames, 24 pages are there; give --frames 0:9"):
        ready(tmp_path / "m.ome.tif")
    np.testing.assert_array_equal(ready(tmp_path / "m.ome.tif", frames=":9")[0], movie[:10])


@pytest.mark.parametrize("words", ["5", "5:2", "3:99", "a:b", "-1:4", ":"])
def test_frames_that_are_none(tmp_path, movie, words, ready):
    path = plain(tmp_path, movie)
    if words == ":":
        assert len(ready(path, frame_interval_s=5.0, frames=words)[0]) == FRAMES
        return
    with pytest.raises(InputError, match=r"--frames .*expected"):
        ready(path, frame_interval_s=5.0, frames=words)


# Times in files


def with_delta_t(folder, movie, times, unit="s", **more):
    path = folder / "m.ome.tif"
    plane = {"DeltaT": [float(time) for time in times], "DeltaTUnit": [unit] * len(times)}
    tifffile.imwrite(path, movie[: len(times)], metadata={"axes": "TYX", "Plane": plane, **more})
    return path


@pytest.mark.parametrize(("factor", "unit"), [(1.0, "s"), (1e3, "ms"), (1 / 60, "min")])
def test_delta_t_in_its_unit(tmp_path, movie, factor, unit, ready):
    path = with_delta_t(tmp_path, movie, 5.0 * factor * np.arange(FRAMES), unit)
    assert ready(path)[1].interval_s == pytest.approx(5.0)


def test_delta_t_that_pauses_is_kept(tmp_path, movie, ready):
    times = np.r_[5.0 * np.arange(12), 600 + 5.0 * np.arange(12)]
    _, timing, notes = ready(with_delta_t(tmp_path, movie, times))
    np.testing.assert_allclose(timing.times_s, times)
    assert "1 of 23 steps" in notes[0]


def test_delta_t_against_time_increment(tmp_path, movie, ready):
    path = with_delta_t(tmp_path, movie, 5.0 * np.arange(FRAMES), TimeIncrement=1.0, TimeIncrementUnit="s")
    with pytest.raises(InputError, match="contradicts itself"):
        ready(path)
    assert ready(path, frame_interval_s=5.0)[1].interval_s == 5.0
    assert ready(path, frame_interval_s=1.0, trust_interval=True)[1].interval_s == 1.0


def tagged(folder, movie, tags):
    path = folder / "m.tif"
    with tifffile.TiffWriter(path) as writer:
        for frame, more in zip(movie, tags, strict=True):
            writer.write(frame, photometric="minisblack", metadata=None, contiguous=False, **more)
    return path


def micromanager(milliseconds):
    text = json.dumps({"ElapsedTime-ms": milliseconds, "PixelSizeUm": 0.65}).encode() + b"\0"
    return {"extratags": [(51123, 2, len(text), text, True)]}


def test_micromanagers_times(tmp_path, movie, ready):
    path = tagged(tmp_path, movie, [micromanager(1000.0 + 5000.0 * index) for index in range(FRAMES)])
    assert ready(path)[1].interval_s == pytest.approx(5.0)
    with open_movie(str(path)) as found:
        assert found.info.pixel_size_um == pytest.approx(0.65)


def test_micromanagers_single_files(tmp_path, movie, ready):
    for index, frame in enumerate(movie):
        tagged(tmp_path, [frame], [micromanager(5000.0 * index + 9000.0 * (index > 10))]).rename(
            tmp_path / f"img_{index:09d}_GCaMP_000.tif"
        )
    _, timing, notes = ready(tmp_path)
    assert timing.interval_s == pytest.approx(5.0)
    assert timing.times_s[11] == pytest.approx(64.0)
    assert "ElapsedTime-ms" in notes[0]


def test_the_times_of_pages(tmp_path, movie, ready):
    when = [f"2024:03:15 10:{index * 5 // 60:02d}:{index * 5 % 60:02d}" for index in range(FRAMES)]
    path = tagged(tmp_path, movie, [{"datetime": text} for text in when])
    assert ready(path)[1].interval_s == pytest.approx(5.0)
    written = tagged(tmp_path, movie, [{"datetime": when[0]}] * FRAMES)
    with pytest.raises(InputError, match="give --frame-interval"):
        ready(written)


# Repeats


def test_repeated_frames_are_dropped_with_their_time_kept(tmp_path, movie, ready):
    twice = np.repeat(movie[:12], 2, axis=0)
    found, timing, notes = ready(plain(tmp_path, twice), frame_interval_s=5.0, drop_repeats=True)
    np.testing.assert_array_equal(found, movie[:12])
    assert (timing.interval_s, timing.times_s) == (10.0, None)
    assert notes == ("repeats: 12 of 24 frames are copies of the one before and are left out",)


def test_frames_repeated_here_and_there_leave_gaps(tmp_path, movie, ready):
    some = movie.copy()
    some[[5, 11]] = some[[4, 10]]
    found, timing, _ = ready(plain(tmp_path, some), frame_interval_s=5.0, drop_repeats=True)
    kept = np.setdiff1d(np.arange(FRAMES), [5, 11])
    np.testing.assert_array_equal(found, movie[kept])
    np.testing.assert_array_equal(timing.times_s, 5.0 * kept)


# OME-Zarr


def test_a_copy_that_broke_off(tmp_path, movie, ready):
    gone = {(t, y, 0) for t in range(15, FRAMES) for y in range(2)}
    path = zarr_movie(tmp_path, movie, missing=gone)
    with pytest.raises(InputError, match=r"15 are there \(0 to 14\): 18 of the 48 chunks .*; give --frames 0:14"):
        ready(path)
    np.testing.assert_array_equal(ready(path, frames="0:14")[0], movie[:15])


def test_a_hole_is_named_and_not_read_as_0(tmp_path, movie, ready):
    with pytest.raises(InputError, match=r"1 of the 48 chunks of array 0 is not there \(9/1/0\)"):
        ready(zarr_movie(tmp_path, movie, missing={(9, 1, 0)}))


@pytest.mark.parametrize(
    "said",
    [
        {"scale": None},
        {"scale": (1.0, 1.0, 1.0)},
        {"scale": (0.0, 1.0, 1.0)},
        {"units": (None, None, None)},
        {"units": (" ", "", "")},
    ],
)
def test_a_scale_that_nobody_set_is_asked_for(tmp_path, movie, said, ready):
    path = zarr_movie(tmp_path, movie, **said)
    with pytest.raises(InputError, match="give --frame-interval"):
        ready(path)
    with open_movie(str(path)) as found:
        assert found.info.pixel_size_um is None


def test_nothing_of_a_library_reaches_the_user(tmp_path, movie):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        read(ome_set(tmp_path, movie))
    assert heard == []
