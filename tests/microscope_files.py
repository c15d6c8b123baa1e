"""Files of microscopes, as small ones are written for tests.

pylibCZIrw writes its files itself. nd2 and liffile only read: theirs are written here by the published layouts, and
what those libraries make of them is checked before it is compared.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile
from pylibCZIrw import czi

from calcigraph.ingest import Choice, open_movie

TIMES = np.cumsum([0.0, 0.5, 0.5, 1.25, 0.5])
"""s; a step that is longer than the others."""
FRAMES, PLANES, CHANNELS, HEIGHT, WIDTH = len(TIMES), 3, 2, 20, 31
NAMES = ("GCaMP6s", "mCherry CAAX")
PIXEL_UM = 0.65


def read(path, **choice):
    with open_movie(str(path), choice=Choice(**choice)) as movie:
        return np.stack(list(movie.frames())), movie.info


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


def write_lif(path, images, times=TIMES):
    """A LIF: the header of XML, and a block of memory for each image; images: name and (T, Z, C, Y, X),
    or (T, M, Z, C, Y, X) for the tiles of a scan."""
    elements, blocks = "", b""
    for number, (name, stack) in enumerate(images.items()):
        *_, planes, channels, height, width = stack.shape
        tiles = stack.shape[1] if stack.ndim == 6 else 1
        itemsize, size = stack.dtype.itemsize, height * width * stack.dtype.itemsize
        described = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{8 * itemsize}" NameOfMeasuredQuantity="" '
            f'Min="0" Max="1" Unit="" LUTName="{colour}" IsLUTInverted="0" BytesInc="{place * size}" BitInc="0"/>'
            for place, colour in zip(range(channels), ("Green", "Red"), strict=False)
        )
        steps = {
            1: itemsize,
            2: itemsize * width,
            3: channels * size,
            4: channels * size * planes * tiles,
            10: channels * size * planes,
        }
        lengths = {
            1: (WIDTH - 1) * PIXEL_UM * 1e-6,
            2: (HEIGHT - 1) * PIXEL_UM * 1e-6,
            3: 4e-6,
            4: 0.5 * (len(stack) - 1),
            10: 1e-3,
        }
        counts = {1: width, 2: height, 3: planes, 10: tiles, 4: len(stack)}
        axes = "".join(
            f'<DimensionDescription DimID="{axis}" NumberOfElements="{count}" Origin="0" Length="{lengths[axis]}" '
            f'Unit="{"s" if axis == 4 else "m"}" BytesInc="{steps[axis]}" BitInc="0"/>'
            for axis, count in counts.items()
            if count > 1 or axis < 3
        )
        ticks = [int(1e7 * time) + 132_000_000_000_000_000 for time in np.repeat(times, planes * channels * tiles)]
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
