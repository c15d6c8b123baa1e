"""Files of microscopes: what is read equals what the format's own library reads, and what is damaged is one line.

pylibCZIrw writes its files itself. nd2 and liffile only read: theirs are written here by the published layouts, and
what those libraries make of them is checked before it is compared.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import liffile
import nd2
import numpy as np
import pytest
import tifffile
from pylibCZIrw import czi

from calcigraph.errors import InputError, MissingExtraError
from calcigraph.ingest import Choice, IngestOptions, open_movie

TIMES = np.cumsum([0.0, 0.5, 0.5, 1.25, 0.5])
"""s; a step that is longer than the others."""
FRAMES, PLANES, CHANNELS, HEIGHT, WIDTH = len(TIMES), 3, 2, 20, 31
NAMES = ("GCaMP6s", "mCherry CAAX")
PIXEL_UM = 0.65


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    """(T, Z, C, Y, X) uint16 without any pattern."""
    shape = (FRAMES, PLANES, CHANNELS, HEIGHT, WIDTH)
    return np.random.default_rng(7).integers(100, 60000, shape).astype(np.uint16)


def read(path, **choice):
    with open_movie(str(path), choice=Choice(**choice)) as movie:
        return np.stack(list(movie.frames())), movie.info


# ND2


def lite(name, value):
    """A value as Nikon's "lite variant" has it: kind, length of the name, name in UTF-16, value."""
    kinds = {bool: (1, "<?"), int: (3, "<I"), float: (6, "<d")}
    head = bytes([len(name) + 1]) + name.encode("utf-16-le") + b"\0\0"
    if isinstance(value, dict):
        parts = [lite(key, each) for key, each in value.items()]
        start = b"\x0b" + head
        return (
            start
            + struct.pack("<IQ", len(parts), len(start) + 12 + sum(map(len, parts)))
            + b"".join(parts)
            + bytes(8 * len(parts))
        )
    if isinstance(value, str):
        return b"\x08" + head + value.encode("utf-16-le") + b"\0\0"
    kind, layout = kinds[type(value)]
    return bytes([kind]) + head + struct.pack(layout, value)


def write_nd2(path, stack, times=TIMES, positions=(), stored=None, calibrated=True, packed=False):
    """An ND2 of version 3 with (T, P, Z, C, Y, X): chunks, and their map at the end."""
    frames, places, planes, channels, height, width = stack.shape
    loops = {"eType": 4, "uLoopPars": {"uiCount": planes, "dZStep": 1.0}} if planes > 1 else None
    if places > 1:
        points = {f"i{number:010}": {"dPosX": 1.0 * number, "dPosName": name} for number, name in enumerate(positions)}
        loops = {"eType": 2, "uLoopPars": {"Points": points}} | ({"ppNextLevelEx": {"": loops}} if loops else {})
    time = {"uiCount": frames, "dStart": 0.0, "dPeriod": 500.0, "dDuration": 500.0 * frames}
    experiment = {"eType": 1, "uLoopPars": time} | ({"ppNextLevelEx": {"": loops}} if loops else {})
    images = stack.transpose(0, 1, 2, 4, 5, 3).reshape(-1, height, width, channels)
    every = np.repeat(1e3 * np.asarray(times), places * planes)
    attributes = {
        "uiWidth": width, "uiWidthBytes": width * channels * 2, "uiHeight": height, "uiComp": channels,
        "uiBpcInMemory": 16, "uiBpcSignificant": 16, "eCompression": 0 if packed else 2,
        "uiSequenceCount": len(images) if stored is None else stored,
    }  # fmt: skip
    point = {"eType": 4, "dTValue": 1.0, "dWavelength": 509.0}
    probe = {"m_EmissionSpectrum": {"uiCount": 1, "pPoint": {"Point0": point}}, "m_sName": "EGFP"}
    planes_of = {
        f"a{number}": {"sDescription": NAMES[number], "uiCompCount": 1, "pFluorescentProbe": probe}
        for number in range(channels)
    }
    picture = {
        "bCalibrated": calibrated, "dCalibration": PIXEL_UM,
        "sPicturePlanes": {"uiCount": channels, "sPlaneNew": planes_of, "sSampleSetting": {"a0": {"uiMode": 0}}},
    }  # fmt: skip
    chunks = [
        (b"ImageAttributesLV!", lite("SLxImageAttributes", attributes)),
        (b"ImageMetadataSeqLV|0!", lite("SLxPictureMetadata", picture)),
        (b"ImageMetadataLV!", lite("SLxExperiment", experiment)),
        (b"CustomData|AcqTimesCache!", every.astype("<f8").tobytes()),
    ]
    pack = zlib.compress if packed else bytes
    kept = images if stored is None else images[:stored]
    chunks += [(f"ImageDataSeq|{n}!".encode(), bytes(8) + pack(each.tobytes())) for n, each in enumerate(kept)]
    magic, entries = 0x0ABECEDA, b""
    with Path(path).open("wb") as file:
        file.write(struct.pack("<IIQ32s64s", magic, 32, 64, b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0"))
        for name, data in chunks:
            entries += name + struct.pack("<QQ", file.tell(), len(data))
            file.write(struct.pack("<IIQ", magic, 4072, len(data)) + name.ljust(4072, b"\0") + data)
        where = file.tell()
        entries += struct.pack("<32sQ", b"ND2 CHUNK MAP SIGNATURE 0000001!", where)
        file.write(struct.pack("<IIQ", magic, 32, len(entries)) + b"ND2 FILEMAP SIGNATURE NAME 0001!" + entries)
    return path


@pytest.fixture(scope="module")
def nd2_file(tmp_path_factory, stack):
    path = write_nd2(tmp_path_factory.mktemp("nd2") / "a.nd2", stack[:, None])
    with nd2.ND2File(path) as file:  # what is written here is an ND2 to the library
        assert dict(file.sizes) == {"T": FRAMES, "Z": PLANES, "C": CHANNELS, "Y": HEIGHT, "X": WIDTH}
        np.testing.assert_array_equal(file.asarray(), stack)
    return path


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


# CZI


def write_czi(path, stack, scenes=1, names=NAMES, missing=(), packing=None):
    with czi.create_czi(str(path), compression_options=packing) as file:
        for place in np.ndindex(scenes, *stack.shape[:3]):
            scene, time, plane, channel = place
            if place not in missing:
                file.write(
                    stack[time, plane, channel] + np.uint16(scene), plane={"T": time, "Z": plane, "C": channel},
                    scene=scene, location=(scene * 100, 0),
                )  # fmt: skip
        file.write_metadata("film", channel_names=dict(enumerate(names)), scale_x=PIXEL_UM * 1e-6, scale_y=1e-6)
    return path


def attach_times(path, times):
    """The attachment TimeStamps, as Zeiss's software appends it."""
    data = bytearray(path.read_bytes())

    def segment(name, content):
        data.extend(bytes(-len(data) % 32))
        at = len(data)
        data.extend(struct.pack("<16sqq", name, len(content), len(content)) + content)
        return at

    def entry(position):
        return struct.pack("<2s10xqi16x8s80s", b"A1", position, 0, b"CZTIMS", b"TimeStamps")

    stamps = struct.pack(f"<ii{len(times)}d", 8 + 8 * len(times), len(times), *times)
    at = segment(b"ZISRAWATTACH", struct.pack("<i12x", len(stamps)) + entry(len(data)) + bytes(112) + stamps)
    directory = segment(b"ZISRAWATTDIR", struct.pack("<i252x", 1) + entry(at))
    struct.pack_into("<q", data, 32 + 72, directory)
    path.write_bytes(data)


@pytest.fixture(scope="module")
def czi_file(tmp_path_factory, stack):
    return write_czi(tmp_path_factory.mktemp("czi") / "a.czi", stack)


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


# LIF


def write_lif(path, images, times=TIMES):
    """A LIF: the header of XML, and a block of memory for each image; images: name and (T, Z, C, Y, X)."""
    elements, blocks = "", b""
    for number, (name, stack) in enumerate(images.items()):
        _, planes, channels, height, width = stack.shape
        itemsize, size = stack.dtype.itemsize, height * width * stack.dtype.itemsize
        described = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{8 * itemsize}" NameOfMeasuredQuantity="" '
            f'Min="0" Max="1" Unit="" LUTName="{colour}" IsLUTInverted="0" BytesInc="{place * size}" BitInc="0"/>'
            for place, colour in zip(range(channels), ("Green", "Red"), strict=False)
        )
        steps = {1: itemsize, 2: itemsize * width, 3: channels * size, 4: channels * size * planes}
        lengths = {
            1: (WIDTH - 1) * PIXEL_UM * 1e-6,
            2: (HEIGHT - 1) * PIXEL_UM * 1e-6,
            3: 4e-6,
            4: 0.5 * (len(stack) - 1),
        }
        counts = {1: width, 2: height, 3: planes, 4: len(stack)}
        axes = "".join(
            f'<DimensionDescription DimID="{axis}" NumberOfElements="{count}" Origin="0" Length="{lengths[axis]}" '
            f'Unit="{"s" if axis == 4 else "m"}" BytesInc="{steps[axis]}" BitInc="0"/>'
            for axis, count in counts.items()
            if count > 1 or axis < 3
        )
        ticks = [int(1e7 * time) + 132_000_000_000_000_000 for time in np.repeat(times, planes * channels)]
        stamps = "" if times is None else f"<TimeStampList>{' '.join(f'{tick:x}' for tick in ticks)}</TimeStampList>"
        data = stack.tobytes()
        elements += (
            f'<Element Name="{name}" UniqueID="u{number}"><Data><Image><ImageDescription>'
            f"<Channels>{described}</Channels><Dimensions>{axes}</Dimensions></ImageDescription>{stamps}</Image></Data>"
            f'<Memory Size="{len(data)}" MemoryBlockID="MemBlock_{number}"/></Element>'
        )
        block = f"MemBlock_{number}".encode("utf-16-le")
        blocks += struct.pack("<IIBQBI", 0x70, 14 + len(block), 0x2A, len(data), 0x2A, len(block) // 2) + block + data
    xml = (
        f'<LMSDataContainerHeader Version="2"><Element Name="film" UniqueID="r"><Data/><Children>{elements}</Children>'
        '<Memory Size="0" MemoryBlockID="MemBlock_r"/></Element></LMSDataContainerHeader>'
    ).encode("utf-16-le")
    path.write_bytes(struct.pack("<IIBI", 0x70, 5 + len(xml), 0x2A, len(xml) // 2) + xml + blocks)
    return path


@pytest.fixture(scope="module")
def lif_file(tmp_path_factory, stack):
    path = tmp_path_factory.mktemp("lif") / "a.lif"
    write_lif(path, {"Overview": stack[:1, :1, :1], "Series 2": stack})
    with liffile.LifFile(path) as file:  # what is written here is a LIF to the library
        assert dict(file.images[1].sizes) == {"T": FRAMES, "Z": PLANES, "C": CHANNELS, "Y": HEIGHT, "X": WIDTH}
        np.testing.assert_array_equal(file.images[1].asarray(), stack)
    return path


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


# Micro-Manager


def write_folder(folder, stack, version=2, frames=None, times=TIMES):
    """(T, Z, C, Y, X) as Micro-Manager saves separate images."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = {"ChNames": list(NAMES), "Frames": frames or len(stack), "Interval_ms": 100, "Positions": 1}
    told = {"Summary": summary}
    for time, plane, channel in np.ndindex(stack.shape[:3]):
        said = {"ElapsedTime-ms": 1e3 * times[time] + channel, "PixelSizeUm": PIXEL_UM}
        if version == 1:
            name = f"img_{time:09d}_{NAMES[channel]}_{plane:03d}.tif"
            place = {"FrameIndex": time, "ChannelIndex": channel, "SliceIndex": plane, "FileName": name}
            told[f"FrameKey-{time}-{channel}-{plane}"] = said | place
        else:
            name = f"img_channel{channel:03d}_position000_time{time:09d}_z{plane:03d}.tif"
            place = {"time": time, "channel": channel, "z": plane, "position": 0}
            place = place if version == 2 else {}  # some say it in the name only
            told |= {f"Coords-{folder.name}/{name}": place, f"Metadata-{folder.name}/{name}": said}
        tifffile.imwrite(folder / name, stack[time, plane, channel])
    (folder / "metadata.txt").write_text(json.dumps(told, indent=1))
    return folder


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


# All of them


@pytest.fixture(params=["nd2", "czi", "lif", "folder"])
def several(request, tmp_path, stack):
    """A file with several channels and z-planes, and what picks the movie stack[:, 1, 1] of it."""
    if request.param == "folder":
        return write_folder(tmp_path / "Default", stack), {"channel": "1", "z": "1"}
    more = {"scene": "1"} if request.param == "lif" else {}
    return request.getfixturevalue(f"{request.param}_file"), {"channel": "1", "z": "1", **more}


def test_threads_read_what_one_reader_reads(several, stack):
    path, choice = several
    order = np.random.default_rng(0).integers(0, FRAMES, 500).tolist()
    with open_movie(str(path), choice=Choice(**choice)) as movie, ThreadPoolExecutor(4) as pool:
        for index, frame in zip(order, pool.map(movie.frame, order), strict=True):
            np.testing.assert_array_equal(frame, stack[index, 1, 1])


@pytest.mark.parametrize("ending", ["nd2", "czi", "lif", "avi", "mp4"])
@pytest.mark.parametrize("content", [b"", b"time,Mean1\n0,5\n", bytes(5000), np.random.default_rng(0).bytes(5000)])
def test_what_is_no_such_file(tmp_path, ending, content):
    (tmp_path / f"a.{ending}").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.{ending}: not a readable [^\n]*\Z"):
        open_movie(str(tmp_path / f"a.{ending}"))


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut(several, tmp_path, share):
    path, choice = several
    if path.is_dir():
        path, choice = path / "img_channel001_position000_time000000003_z001.tif", {}
        whole, cut = path, path
    else:
        whole, cut = path, tmp_path / f"cut{path.suffix}"
    data = whole.read_bytes()
    cut.write_bytes(data[: int(share * len(data))])
    source = cut if choice else cut.parent
    with pytest.raises(InputError) as caught:
        read(source, **(choice or {"channel": "1", "z": "1"}))
    assert "\n" not in str(caught.value)
    assert "a." in str(caught.value) or cut.name in str(caught.value)


@pytest.mark.parametrize(
    ("ending", "module"), [("nd2", "nd2"), ("czi", "pylibCZIrw"), ("lif", "liffile"), ("avi", "av"), ("mp4", "av")]
)
def test_a_missing_extra_is_one_line(tmp_path, monkeypatch, ending, module):
    for name in (module, f"{module}.czi"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / f"a.{ending}").write_bytes(b"x")
    with pytest.raises(
        MissingExtraError, match=rf"a\.{ending}: .* are read with {module}, .*: pip install '[a-z]*\[formats\]'"
    ):
        open_movie(str(tmp_path / f"a.{ending}"))


@pytest.mark.parametrize("kind", ["nd2", "czi", "lif", "folder"])
def test_a_culture_is_the_same_from_any_file(tmp_path, run, again, tissue_movie, cells, kind):
    """Traces, and what the digest is made of, do not depend on the container."""
    film = np.clip(tissue_movie(12), 0, 65535).astype(np.uint16)
    plain = run(tmp_path, film, cells, pixel_size_um=PIXEL_UM)
    times = 10.0 * np.arange(len(film))
    stack = film[:, None, None]
    write = {
        "nd2": lambda: write_nd2(tmp_path / "a.nd2", stack[:, None], times=times),
        "czi": lambda: write_czi(tmp_path / "a.czi", stack),
        "lif": lambda: write_lif(tmp_path / "a.lif", {"Series": stack}, times=times),
        "folder": lambda: write_folder(tmp_path / "a", stack, times=times),
    }[kind]
    options = IngestOptions(masks=str(tmp_path / "masks.tif"), frame_interval_s=10.0, pixel_size_um=PIXEL_UM)
    found = again(tmp_path, options, write().name)
    np.testing.assert_array_equal(found.cells.intensity, plain.cells.intensity)
    assert found.culture.time_s is None
    assert found.culture.input_digest == plain.culture.input_digest
