"""The hash by which calcigraph knows again what it has seen: a movie, a label image, an ingest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DIGITS = 32
"""Hex digits that are kept, 128 bits: the chance that any two of a billion inputs share them is 1e-21."""

Said = tuple[str | None, str | None]
"""Experiment and condition of a culture."""
NOTHING: Said = (None, None)


def digest_of(data: bytes) -> str:
    """The first 32 hex digits of the SHA-256 of `data`.

    >>> digest_of(b"")
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def input_hash(movie: str, masks: str, recorded: Mapping[str, Any], marker: str = "", said: Said = NOTHING) -> str:
    """Hash of all that decides an ingest: `Culture.input_digest`.

    Parameters
    ----------
    movie, masks, marker
        Their hashes; marker "" without one.
    recorded
        The options that decide the result.
    said
        As a calcigraph hashed experiment and condition to version 0.2.
    """
    parts = [movie, masks, *said, dict(recorded), *([marker] if marker else [])]
    return digest_of(json.dumps(parts, sort_keys=True).encode())
