"""Damages of whole files: bytes, numbers, texts, missing parts. Each comes from a random number generator alone."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NUMBERS = (0, 1, 2, 3, 7, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, 10**12, 2**63, 0.1, "", "x", "NaN", "uint16", "float64", [], [1], [-1, 0], {}, {"a": 1},
    "../../x", "a" * 5000, [[]],
)  # fmt: skip
_TEXTS = (
    "", ",", ";", "\t", "\n", "\r", '"', "'", "nan", "inf", "-1", "1e999", "\x00", "\ufeff", "9" * 400, "é", "=",
    "[", "]]", "{", "}", "#", "0x10", "true", "2026-01-01", "\\", "a" * 3000,
)  # fmt: skip


def _place(data: bytearray, rng: random.Random) -> int:
    """A place, half of the time in the first kilobyte, where headers are."""
    return rng.randrange(min(len(data), 1024) if rng.random() < 0.5 else len(data))


def flipped(data: bytes, rng: random.Random) -> bytes:
    """A few bits turned."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if found:
            found[_place(found, rng)] ^= 1 << rng.randrange(8)
    return bytes(found)


def renumbered(data: bytes, rng: random.Random) -> bytes:
    """A number of 1 to 8 bytes set to one that is seldom thought of."""
    found = bytearray(data)
    width, order = rng.choice("BHIQ"), rng.choice("<>")
    value = struct.pack(order + width, rng.choice(_NUMBERS) & (256 ** struct.calcsize(width) - 1))
    place = _place(found, rng) if found else 0
    found[place : place + len(value)] = value
    return bytes(found)


def removed(data: bytes, rng: random.Random) -> bytes:
    """A stretch taken out."""
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 4, 100, 1000)) :]


def repeated(data: bytes, rng: random.Random) -> bytes:
    """A stretch written twice."""
    start = rng.randrange(len(data) + 1)
    end = start + rng.choice((1, 4, 100, 1000))
    return data[:end] + data[start:]


def noise(data: bytes, rng: random.Random) -> bytes:
    """A stretch of random bytes."""
    start = _place(bytearray(data), rng) if data else 0
    return data[:start] + rng.randbytes(rng.choice((4, 64, 500))) + data[start + 64 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    """Cut short."""
    return data[: rng.randrange(len(data))] if data else data


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flipped, renumbered, removed, repeated, noise, cut)


def text(data: bytes, rng: random.Random) -> bytes:
    """A text with pieces put in, taken out, swapped or replaced."""
    lines = data.decode(errors="replace").splitlines(keepends=True)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if not lines:
            break
        place = rng.randrange(len(lines))
        line, way = lines[place], rng.randrange(6)
        start = rng.randrange(len(line) + 1)
        end = min(len(line), start + rng.choice((0, 1, 3)))
        if way < 3:
            lines[place] = line[:start] + rng.choice(_TEXTS) + line[end:]
        elif way == 3:
            lines.insert(place, line)
        elif way == 4:
            del lines[place]
        else:
            other = rng.randrange(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
    return "".join(lines).encode("utf-8", errors="replace")


def json_text(data: bytes, rng: random.Random) -> bytes:
    """JSON in which a value is another, or a key is gone."""
    value = json.loads(data)
    places: list[tuple[Any, Any]] = []

    def look(part: Any) -> None:
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, each in items:
            places.append((part, key))
            look(each)

    look(value)
    if places:
        part, key = rng.choice(places)
        if isinstance(part, dict) and rng.random() < 0.25:
            del part[key]
        else:
            part[key] = rng.choice(_VALUES)
    return json.dumps(value).encode()


def damage_file(path: Path, rng: random.Random, ways: tuple[Callable[[bytes, random.Random], bytes], ...]) -> str:
    """Damage one file in one way; the way's name."""
    way = rng.choice(ways)
    path.write_bytes(way(path.read_bytes(), rng))
    return way.__name__


def damage(path: Path, rng: random.Random) -> str:
    """Damage a file, or one file of a folder; `lost` and `cut` can be told by some formats."""
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file())
        chosen = rng.choice(files)
        if chosen.suffix == ".json" or chosen.name.startswith(".z"):
            return damage_file(chosen, rng, (json_text, json_text, json_text, text, cut, flipped))
        if rng.random() < 0.3:
            chosen.unlink()
            # The first or the last of numbered frames may never have been there.
            return "end lost" if chosen in (files[0], files[-1]) else "lost"
        return damage_file(chosen, rng, (*BYTES, cut))
    if path.suffix in (".csv", ".toml"):
        return damage_file(path, rng, (text, text, text, text, flipped, cut))
    return damage_file(path, rng, BYTES)


def words(line: list[str], rng: random.Random) -> list[str]:
    """A command line with words put in, taken out, doubled or replaced."""
    found = list(line)
    for _ in range(rng.choice((1, 1, 2, 3))):
        place, way = rng.randrange(len(found)), rng.randrange(5)
        if way == 0:
            del found[place]
        elif way == 1:
            found.insert(place, found[place])
        elif way == 2:
            found.insert(place, rng.choice(_WORDS))
        else:
            found[place] = rng.choice(_WORDS)
        found = found or ["status"]
    return found


_WORDS = (
    "", " ", "-", "--", "-1", "0", "1e308", "-0.0", "nan", "inf", "99999999999999999999", "1/0", "true", "None",
    "kept", "KEPT", " kept", "kept\n", "a/b", "..", ".", "*", "?", "[", "labels.tif", "movie.tif", "wide.csv",
    "plan.toml", "v3.zarr", "series", "--help", "--replace", "--masks", "--culture", "--min-area",
    "--frame-interval", "--experiment", "--condition", "--model", "--null", "--format", "json", "csv", "x=y", "=",
    "a=", "culture=kept", "-p", "-o", "out.png", "out.geojson", "--cells", "1-5", "9-1", "1,,2", "--seed",
    "--cypher", "RETURN 1", "MATCH (n) RETURN n", "CREATE (n)", "é" * 3, "a" * 300, "\u202e", "$HOME", "--wide",
    "--stale", "--by", "--within", "--positions", "--columns", "--z", "max", "--channel", "--scene", "9",
    "--workspace",
)  # fmt: skip
