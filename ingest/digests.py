"""The hash by which calcigraph knows again what it has seen: a movie, a label image, an ingest."""

from __future__ import annotations

import hashlib

DIGITS = 32
"""Hex digits that are kept, 128 bits: the chance that any two of a billion inputs share them is 1e-21."""


def digest_of(data: bytes) -> str:
    """The first 32 hex digits of the SHA-256 of `data`.

    >>> digest_of(b"")
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(data).hexdigest()[:DIGITS]
