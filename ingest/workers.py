"""Work on a movie's frames in a few threads, with results that do not depend on their timing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from calcigraph.store.types import Progress

WORKERS = 2
"""Threads that read, filter and hash frames at once."""


def over_blocks(
    blocks: Sequence[range],
    work: Callable[[range, Any], None],
    state: Callable[[], Any],
    progress: Progress,
    stage: str,
) -> list[Any]:
    """Work on all blocks of frames in WORKERS threads.

    Which thread takes which block is fixed, so that sums do not depend on timing.

    Parameters
    ----------
    blocks
        The frames of each file of the store.
    work
        Called as work(block, state) once per block. The first error stops the other threads and is raised.
    state
        Makes what one thread accumulates.
    progress, stage
        Called by one thread at a time, with the number of frames that are done.

    Returns
    -------
    The threads' states, in order.
    """
    states = [state() for _ in range(min(WORKERS, len(blocks)))]
    total, done, failed = sum(map(len, blocks)), 0, False
    lock = threading.Lock()

    def share(worker: int) -> None:
        nonlocal done, failed
        for block in blocks[worker :: len(states)]:
            if failed:  # another thread's error will be raised
                return
            try:
                work(block, states[worker])
            except BaseException:
                failed = True
                raise
            with lock:
                done += len(block)
                progress(stage, done, total)

    # NumPy, OpenCV and the codecs let go of Python's lock, so that threads do compute side by side.
    with ThreadPoolExecutor(len(states)) as pool:
        for future in [pool.submit(share, worker) for worker in range(len(states))]:
            future.result()
    return states
