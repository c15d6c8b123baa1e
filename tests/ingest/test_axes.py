"""Files with several channels, z-planes and scenes: what is picked is what the array has there, and it is recorded."""

from __future__ import annotations

import json
import struct
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import cv2
import numpy as np
import pytest
import tifffile
import zarr

from calcigraph.errors import InputError
from calcigraph.ingest import Choice, IngestOptions, ingest_movie, input_digest, open_movie
from calcigraph.ingest.axes import Axes, one_of, pick
from calcigraph.ingest.segment import find_weights
from calcigraph.store.types import Masks

FRAMES, PLANES, CHANNELS, HEIGHT, WIDTH = 6, 3, 2, 20, 24


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    """(T, Z, C, Y, X) uint16 without any pattern."""
    shape = (FRAMES, PLANES, CHANNELS, HEIGHT, WIDTH)
    return np.random.default_rng(3).integers(100, 60000, shape).astype(np.uint16)


def read(path, timed=False, **choice):
    with open_movie(str(path), timed=timed, choice=Choice(**choice)) as movie:
        return np.stack(list(movie.frames())), movie.info


# Names and numbers


@pytest.mark.parametrize(
    ("wanted", "place"), [("0", 0), ("1", 1), ("561", 2), ("488", 1), ("GCaMP", 0), ("gcamp", 0), (" gcamp ", 0)]
)
def test_a_number_or_a_name(wanted, place):
    assert one_of(("GCaMP", "488", "561"), wanted, "--channel", "channel", "a.tif") == place


@pytest.mark.parametrize("wanted", ["3", "-1", "GCaM", "", "1.0"])
def test_neither(wanted):
    with pytest.raises(InputError, match=r"no such channel; a\.tif has 3 channels: 0 GCaMP, 1 488, 2 561"):
        one_of(("GCaMP", "488", "561"), wanted, "--channel", "channel", "a.tif")


def test_what_stands_for_two_is_refused():
    with pytest.raises(InputError, match=r"--channel 1: stands for channels 0, 1; a\.tif has 2 channels: 0 1, 1 2"):
        one_of(("1", "2"), "1", "--channel", "channel", "a.tif")
    with pytest.raises(InputError, match="stands for scenes 0, 2"):
        one_of(("dish", "other", "dish"), "dish", "--scene", "scene", "a.lif")


def test_many_names_are_cut():
    with pytest.raises(
        InputError, match=r"has 96 scenes: 0 p0, 1 p1, .*, 11 p11, \.\.\. 95 p95; add --scene"
    ) as caught:
        pick(Axes(scenes=[f"p{number}" for number in range(96)]), Choice(), "a.nd2")
    assert "p50" not in str(caught.value)


def test_z_beyond_the_last():
    with pytest.raises(InputError, match=r"--z 3: a\.tif has z-planes 0 to 2; expected one of them, or max"):
        pick(Axes(planes=3), Choice(z="3"), "a.tif")


@pytest.mark.parametrize("z", ["mean", "-1", "1.5", ""])
def test_z_that_is_none(z):
    with pytest.raises(InputError, match="expected a number from 0, or max"):
        IngestOptions(z=z)


def test_numbers_from_python():
    options = IngestOptions(channel=1, z=0, scene=2)
    assert (options.channel, options.z, options.scene) == ("1", "0", "2")


def test_masks_are_not_looked_for_in_a_channel():
    with pytest.raises(InputError, match="--masks and --segment-channel exclude each other"):
        IngestOptions(masks="a.tif", segment_channel="1")


# TIFF


def hyperstack(folder, stack, **metadata):
    path = folder / "m.tif"
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TZCYX", "finterval": 3.0, **metadata})
    return path


@pytest.mark.parametrize(("channel", "z"), [("0", "0"), ("1", "2"), ("1", "max")])
def test_imagej_hyperstack(tmp_path, stack, channel, z):
    found, info = read(hyperstack(tmp_path, stack), channel=channel, z=z)
    there = stack[:, :, int(channel)]
    np.testing.assert_array_equal(found, there.max(axis=1) if z == "max" else there[:, int(z)])
    assert info.times.interval_s == 3.0
    assert info.picked == (("channel", int(channel)), ("z", "max" if z == "max" else int(z)))


def test_imagej_hyperstack_says_what_it_has(tmp_path, stack):
    path = hyperstack(tmp_path, stack)
    with pytest.raises(InputError, match=r"has 2 channels: 0, 1, and 3 z-planes: 0 to 2; add --channel NUMBER and --z"):
        open_movie(str(path))
    with pytest.raises(InputError, match=r"m\.tif: has 3 z-planes: 0 to 2; add --z NUMBER or max$"):
        open_movie(str(path), choice=Choice(channel="1"))
    with pytest.raises(InputError, match=r"--scene 1: no such scene; .* has 1 scene: 0"):
        open_movie(str(path), choice=Choice(channel="1", z="1", scene="1"))


def test_a_hyperstack_that_is_cut(tmp_path, stack, ready):
    path = hyperstack(tmp_path, stack)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="cut short"):
        open_movie(str(path), choice=Choice(channel="1", z="1"))


@pytest.mark.parametrize("order", ["".join(order) for order in permutations("TZC")])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_ome_tiff_in_any_order(tmp_path, stack, order, compression):
    axes = {letter: place for place, letter in enumerate("TZC")}
    moved = stack.transpose(*(axes[letter] for letter in order), 3, 4)
    stamps = np.cumsum(np.arange(1.0, FRAMES + 1))
    place = dict(zip(order, np.indices(moved.shape[:3]), strict=True))
    delta = stamps[place["T"]] + 0.1 * place["C"] + 0.01 * place["Z"]
    metadata = {
        "axes": f"{order}YX", "Channel": {"Name": ["GCaMP6s", "CellMask"]}, "PhysicalSizeX": 0.65,
        "Plane": {"DeltaT": delta.ravel().tolist()},
    }  # fmt: skip
    path = tmp_path / "m.ome.tif"
    tifffile.imwrite(path, moved, photometric="minisblack", metadata=metadata, compression=compression)
    found, info = read(path, channel="cellmask", z="2")
    np.testing.assert_array_equal(found, stack[:, 2, 1])
    np.testing.assert_allclose(info.times.times_s, stamps + 0.1 + 0.02)
    assert (info.pixel_size_um, dict(info.picked)["channel_name"]) == (0.65, "CellMask")
    np.testing.assert_array_equal(read(path, channel="0", z="max")[0], stack[:, :, 0].max(axis=1))


def test_ome_tiff_with_several_images(tmp_path, stack):
    path = tmp_path / "m.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for number, name in enumerate(("dish 1", "dish 2")):
            metadata = {"axes": "TYX", "Name": name, "TimeIncrement": 1.0 + number, "TimeIncrementUnit": "s"}
            file.write(stack[:, 0, number], photometric="minisblack", metadata=metadata)
    with pytest.raises(InputError, match=r"has 2 scenes: 0 dish 1, 1 dish 2; add --scene NUMBER or NAME"):
        open_movie(str(path))
    found, info = read(path, scene="dish 2")
    np.testing.assert_array_equal(found, stack[:, 0, 1])
    assert (info.times.interval_s, info.picked) == (2.0, (("scene", 1), ("scene_name", "dish 2")))


def test_slices_of_two_channels_may_be_time(tmp_path, stack):
    """ImageJ opens many films as slices: with the interval and the channel, what is left is time."""
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, stack[:, 0], imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(InputError, match="if Z is time, add --frame-interval and --channel"):
        open_movie(str(path))
    with pytest.raises(InputError, match="if Z is time, add --frame-interval and --channel"):
        open_movie(str(path), choice=Choice(channel="1"))
    np.testing.assert_array_equal(read(path, timed=True, channel="1")[0], stack[:, 0, 1])


def test_threads_read_a_hyperstack(tmp_path, stack):
    path = tmp_path / "m.ome.tif"
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "TZCYX"}, compression="zlib")
    order = np.random.default_rng(0).integers(0, FRAMES, 300).tolist()
    choice = Choice(channel="1", z="max")
    with open_movie(str(path), choice=choice) as movie, ThreadPoolExecutor(4) as pool:
        for index, frame in zip(order, pool.map(movie.frame, order), strict=True):
            np.testing.assert_array_equal(frame, stack[index, :, 1].max(axis=0))


def mm_stack(path, stack, positions=1, stored=None):
    """A stack as Micro-Manager writes it: a map of its images in the header, each image's metadata in its page."""
    frames, planes, channels = stack.shape[:3]
    summary = {
        "MicroManagerVersion": "2.0.3", "Frames": frames, "Slices": planes, "Channels": channels,
        "Positions": positions, "ChNames": ["GCaMP6s", "CellMask"], "TimeFirst": True,
        "SlicesFirst": False, "Prefix": "a",
    }  # fmt: skip
    text = json.dumps(summary).encode()
    data = bytearray(
        struct.pack("<2sHI", b"II", 42, 0)
        + struct.pack("<8I", 54773648, 0, 483765892, 0, 99384722, 0, 2355492, len(text))
        + text
    )
    places = list(np.ndindex(frames, positions, planes, channels))[:stored]
    index, link = [], 4
    for time, position, plane, channel in places:
        image = stack[time, plane, channel] + np.uint16(1000 * position)
        told = json.dumps({"ElapsedTime-ms": 1e3 * time**2 + channel, "PixelSizeUm": 0.65}).encode() + b"\0"
        data += bytes(len(data) % 2)
        at = len(data)
        pixels = at + 2 + 13 * 12 + 4
        assert pixels == at + 162  # where tifffile expects them
        after = pixels + image.nbytes
        entries = [
            (256, 4, 1, WIDTH), (257, 4, 1, HEIGHT), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1),
            (273, 4, 1, pixels), (277, 3, 1, 1), (278, 3, 1, HEIGHT), (279, 4, 1, image.nbytes), (282, 5, 1, after),
            (283, 5, 1, after),
            (296, 3, 1, 3), (51123, 2, len(told), after + 8),
        ]  # fmt: skip
        struct.pack_into("<I", data, link, at)
        link = at + 2 + 13 * 12
        data += struct.pack("<H", 13) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
        data += image.tobytes() + struct.pack("<II", 1, 1) + told
        index.append((channel, plane, time, position, at))
    struct.pack_into("<I", data, 12, len(data))
    data += struct.pack("<II", 3453623, len(index)) + b"".join(struct.pack("<5I", *entry) for entry in index)
    path.write_bytes(data)
    return path


def test_micromanager_stack(tmp_path, stack):
    path = mm_stack(tmp_path / "a_MMStack_Pos0.ome.tif", stack)
    with tifffile.TiffFile(path) as file:  # what is written here is such a stack to the library
        assert file.series[0].kind == "mmstack"
        np.testing.assert_array_equal(file.asarray(), stack.transpose(0, 2, 1, 3, 4))
    for source in (path, tmp_path):  # the folder too
        found, info = read(source, channel="CellMask", z="2")
        np.testing.assert_array_equal(found, stack[:, 2, 1])
        np.testing.assert_allclose(info.times.times_s, np.arange(FRAMES) ** 2 + 1e-3)
        assert info.pixel_size_um == 0.65


def test_micromanager_stack_with_positions(tmp_path, stack):
    path = mm_stack(tmp_path / "a_MMStack_Pos0.ome.tif", stack[:, :1], positions=2)
    with pytest.raises(InputError, match=r"has 2 scenes: 0, 1, and 2 channels: 0 GCaMP6s, 1 CellMask; add --scene"):
        open_movie(str(path))
    np.testing.assert_array_equal(read(path, channel="0", scene="1")[0], stack[:, 0, 0] + np.uint16(1000))


@pytest.mark.parametrize("stored", [4 * PLANES * CHANNELS, 4 * PLANES * CHANNELS + 2])
def test_micromanager_stack_that_was_stopped(tmp_path, stack, ready, stored):
    """tifffile would give the planes that are not there as 0."""
    path = mm_stack(tmp_path / "a_MMStack_Pos0.ome.tif", stack, stored=stored)
    with pytest.raises(InputError, match=r"names [56] frames, 4 are there \(0 to 3\); give --frames 0:3"):
        ready(path, channel="1", z="2")
    np.testing.assert_array_equal(ready(path, channel="1", z="2", frames=":3")[0], stack[:4, 2, 1])


# OME-Zarr


def write_zarr(path, array, axes, labels=(), version="0.5"):
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    group.create_array("0", shape=array.shape, dtype=array.dtype, chunks=(2, *(1,) * (array.ndim - 3), 10, 24))[:] = (
        array
    )
    units = {"t": "second", "c": None}
    named = [{"name": axis} | ({"unit": unit} if (unit := units.get(axis, "micrometer")) else {}) for axis in axes]
    scale = [{"t": 3.0, "c": 1.0}.get(axis, 0.65) for axis in axes]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    said = {"version": version, "multiscales": [{"axes": named, "datasets": [level]}]}
    group.attrs["ome"] = said | ({"omero": {"channels": [{"label": label} for label in labels]}} if labels else {})
    return path


@pytest.mark.parametrize("z", ["1", "max"])
def test_ome_zarr(tmp_path, stack, z):
    path = write_zarr(tmp_path / "m.zarr", stack.transpose(0, 2, 1, 3, 4), "tczyx", ["GCaMP6s", "CellMask"])
    with pytest.raises(InputError, match=r"has 2 channels: 0 GCaMP6s, 1 CellMask, and 3 z-planes: 0 to 2; add"):
        open_movie(str(path))
    found, info = read(path, channel="CellMask", z=z)
    np.testing.assert_array_equal(found, stack[:, :, 1].max(axis=1) if z == "max" else stack[:, 1, 1])
    assert (info.times.interval_s, info.pixel_size_um) == (3.0, 0.65)


def test_ome_zarr_of_several_images(tmp_path, stack):
    group = zarr.open_group(str(tmp_path / "m.zarr"), mode="w", zarr_format=3)
    group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for number in range(2):
        write_zarr(tmp_path / "m.zarr" / str(number), stack[:, 0, number], "tyx")
    with pytest.raises(InputError, match=r"has 2 scenes: 0, 1; add --scene NUMBER$"):
        open_movie(str(tmp_path / "m.zarr"))
    np.testing.assert_array_equal(read(tmp_path / "m.zarr", scene="1")[0], stack[:, 0, 1])


# What is recorded, and the channel that cells are found in


def test_frames_of_a_folder_have_no_channels(tmp_path, stack):
    for time in range(FRAMES):
        tifffile.imwrite(tmp_path / f"t{time}.tif", stack[time, 0, 0])
    np.testing.assert_array_equal(read(tmp_path, channel="0", z="max", scene="0")[0], stack[:, 0, 0])
    with pytest.raises(InputError, match="--channel 1: no such channel"):
        open_movie(str(tmp_path), choice=Choice(channel="1"))


def two_channels(folder, tissue_movie):
    signal, marker = (np.clip(tissue_movie(12, seed), 0, 65535).astype(np.uint16) for seed in (0, 1))
    tifffile.imwrite(folder / "two.tif", np.stack([signal, marker], 1), imagej=True, metadata={"axes": "TCYX"})
    tifffile.imwrite(folder / "one.tif", signal, imagej=True, metadata={"axes": "TYX"})
    return signal, marker


def test_the_choice_is_recorded(tmp_path, tissue_movie, cells):
    two_channels(tmp_path, tissue_movie)
    tifffile.imwrite(tmp_path / "masks.tif", cells)

    def done(name, **more):
        options = IngestOptions(masks=str(tmp_path / "masks.tif"), frame_interval_s=5.0, **more)
        digest = input_digest(str(tmp_path / name), options)
        data = ingest_movie(
            str(tmp_path / name), culture="a", options=options, store_path=tmp_path / "a.zarr", version="0"
        )
        assert data.culture.input_digest == digest
        return data

    plain, first, second = done("one.tif"), done("two.tif", channel="0"), done("two.tif", channel="1")
    np.testing.assert_array_equal(plain.cells.intensity, first.cells.intensity)
    assert not np.allclose(first.cells.intensity, second.cells.intensity)
    assert "channel" not in plain.culture.options
    assert second.culture.options["channel"] == 1
    assert len({each.culture.input_digest for each in (plain, first, second)}) == 3
    # A file with one channel is the same input, however that is said.
    assert done("one.tif", channel="0", z="max").culture.input_digest == plain.culture.input_digest


@pytest.mark.parametrize("on", ["auto", "mean", "max", "7"])
def test_cells_are_found_in_the_marker(tmp_path, tissue_movie, cells, monkeypatch, on):
    """The picture is that of the marker's denoised frames; traces are those of the signal."""
    _, marker = two_channels(tmp_path, tissue_movie)
    seen = []

    def found(picture, model, progress):
        seen.append(picture)
        return Masks(cells.astype(np.int32), "cellpose:confluent", find_weights(model).digest)

    monkeypatch.setattr("calcigraph.ingest.segment.find_cells", found)
    monkeypatch.setattr("calcigraph.ingest.segment.require_cellpose", lambda: None)
    options = IngestOptions(channel="0", segment_channel="1", segment_on=on, frame_interval_s=5.0)
    source, store = str(tmp_path / "two.tif"), tmp_path / "a.zarr"
    data = ingest_movie(source, culture="a", options=options, store_path=store, version="0")
    logs = np.log1p(np.stack([cv2.medianBlur(frame, 3) for frame in marker]).astype(float))
    expected = {"auto": logs.mean(0), "mean": logs.mean(0), "max": logs.max(0), "7": logs[7]}[on]
    np.testing.assert_allclose(seen[0], expected, rtol=1e-12)
    assert data.culture.options["segment_channel"] == 1
    assert data.culture.input_digest == input_digest(source, options)
    again = IngestOptions(channel="0", segment_on=on, frame_interval_s=5.0)
    alone = ingest_movie(source, culture="a", options=again, store_path=store, version="0")
    np.testing.assert_array_equal(data.cells.intensity, alone.cells.intensity)
    assert data.culture.input_digest != alone.culture.input_digest


def test_frames_are_chosen_in_both_channels(tmp_path, tissue_movie):
    from calcigraph.ingest.prepare import prepared
    from calcigraph.store.types import silent

    _, marker = two_channels(tmp_path, tissue_movie)
    options = IngestOptions(channel="0", segment_channel="1", frames="3:8", frame_interval_s=5.0)
    with prepared(str(tmp_path / "two.tif"), options, silent) as ready:
        np.testing.assert_array_equal(np.stack(list(ready.marker.frames())), marker[3:9])


def test_a_marker_that_is_not_there(tmp_path, tissue_movie):
    two_channels(tmp_path, tissue_movie)
    options = IngestOptions(channel="0", segment_channel="CAAX", frame_interval_s=5.0)
    with pytest.raises(InputError, match=r"--segment-channel CAAX: no such channel; .* has 2 channels: 0, 1"):
        input_digest(str(tmp_path / "two.tif"), options)
