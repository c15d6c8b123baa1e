"""Memory that arrays free is kept for the next ones while a fit runs.

NumPy frees and asks for arrays of some megabytes thousands of times in a fit. By default the C library gives such
memory back to the system each time, which clears it before it hands it out again: a fifth of the time of a fit.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""The parameters of mallopt in malloc.h of the GNU C library."""
KEPT_BYTES, HEAP_BYTES = 256 << 20, 32 << 20
"""Free memory from which some is given back, and the largest array that is taken from it; the latter's greatest value.
Larger ones come in pages of 2 MB, which cost little."""
USUAL_BYTES = 128 << 10
"""The first at the beginning of a process."""


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory until the end, and give it back then. Without the GNU C library it does nothing."""
    library = _library()
    if library is None:
        yield
        return
    library.mallopt(MMAP_THRESHOLD, HEAP_BYTES)
    library.mallopt(TRIM_THRESHOLD, KEPT_BYTES)
    try:
        yield
    finally:
        library.mallopt(TRIM_THRESHOLD, USUAL_BYTES)
        library.malloc_trim(0)


@cache
def _library() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
