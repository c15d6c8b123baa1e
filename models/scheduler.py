"""Where batches of cells are fitted: threads of this process or a Dask cluster. The one file that knows Dask."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from calcigraph.errors import InputError
from calcigraph.models.task import Distribute

SCHEDULER_TIMEOUT_S = 6


@contextmanager
def batches_on(scheduler: str | None) -> Iterator[Distribute]:
    """Run batches in threads of this process, or on a cluster.

    Parameters
    ----------
    scheduler
        Address of a Dask scheduler, such as tcp://host:8786; None: threads of this process.

    Yields
    ------
    Distribute
        distribute(function, calls, *shared) gives [function(call, *shared) for call in calls], in this order.

    Raises
    ------
    InputError
        No scheduler with workers answers, or its workers lack this version of calcigraph.

    Examples
    --------
    >>> with batches_on(None) as distribute:
    ...     distribute(pow, [1, 2, 3], 2)
    [1, 4, 9]
    """
    if scheduler is None:
        yield _in_threads
        return
    client = _connect(scheduler)
    try:
        yield _on_cluster(client, scheduler)
    finally:
        client.close()


def _in_threads(function: Callable[..., Any], calls: Sequence[Any], *shared: Any) -> list[Any]:
    import dask
    from dask import threaded

    tasks = [dask.delayed(function)(call, *shared) for call in calls]
    # The scheduler's function itself: given by its name, Dask would import the whole of `distributed`.
    return list(dask.compute(*tasks, scheduler=threaded.get))


def _on_cluster(client: Any, scheduler: str) -> Distribute:
    def distribute(function: Callable[..., Any], calls: Sequence[Any], *shared: Any) -> list[Any]:
        # Not pure: Dask would hash all the data to look for an earlier result.
        futures = [client.submit(function, data, *shared, pure=False) for data in client.scatter(list(calls))]
        try:
            return list(client.gather(futures))
        except ImportError as error:
            raise InputError(
                f"the workers of the Dask scheduler at {scheduler!r} cannot run the fit ({error}); "
                "install the same version of calcigraph there"
            ) from error

    return distribute


def _connect(scheduler: str) -> Any:
    from distributed import Client

    problem = ""
    try:
        client = Client(scheduler, timeout=SCHEDULER_TIMEOUT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        problem = str(error) or type(error).__name__
    if problem:
        # The client that failed is part of a reference cycle. If it were collected later, while another client
        # starts, it would wait for a lock that its own thread holds.
        gc.collect()
        raise InputError(
            f"no Dask scheduler answers at {scheduler!r} within {SCHEDULER_TIMEOUT_S} s "
            f"({problem.splitlines()[0][:120]}); give an address such as tcp://host:8786, or leave --scheduler out"
        )
    try:
        client.wait_for_workers(1, timeout=SCHEDULER_TIMEOUT_S)
    except TimeoutError:
        client.close()
        raise InputError(f"the Dask scheduler at {scheduler!r} has no workers; start some (dask worker)") from None
    return client
