"""A writer beside what a test does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from calcigraph.store.graph import Graph


@contextmanager
def written_all_the_time(graph: Graph, culture: str) -> Iterator[None]:
    """A thread that annotates the culture again and again until the block ends."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            graph.annotate(culture, {"number": number})

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
