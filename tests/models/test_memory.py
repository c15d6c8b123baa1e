"""Memory that arrays free is kept while a fit runs."""

import resource
import sys

import numpy as np
import pytest

from calcigraph.models.memory import kept_memory

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only the GNU C library can be told so")

ELEMENTS, TIMES = 1 << 18, 200
"""Arrays of 2 MB, and how often."""


def faults() -> int:
    """Pages that this process had to get from the system while it made and freed arrays."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(TIMES):
        np.full(ELEMENTS, 1.0).sum()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_freed_memory_serves_the_next_arrays() -> None:
    with kept_memory():
        faults()
        kept = faults()
    pages = ELEMENTS * 8 // 4096
    assert kept < TIMES * pages / 20


def test_it_ends_as_the_block_does() -> None:
    with pytest.raises(KeyError), kept_memory():
        raise KeyError
    assert np.full(ELEMENTS, 2.0).sum() == 2 * ELEMENTS
