"""Where batches of cells and whole cultures are worked on: threads of this process or a Dask cluster.

The one file that knows Dask. Whatever a worker needs goes along with its task, so that the scheduler can give the task
to another worker when one dies; nothing is kept on workers beforehand.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import islice
from typing import Any

from calcigraph.errors import CalcigraphError, InputError, LimitError
from calcigraph.models.task import Distribute
from calcigraph.version import __version__

SCHEDULER_TIMEOUT_S = 6
LOOK_S = 2
"""How often it is looked whether the cluster still has workers."""
ALONE_S = 60
"""How long a cluster may be without any worker: one that was killed, or moved, may come back."""
AHEAD = 2
"""Tasks that are sent for each thread of a worker: the one that it does, and the next."""


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
    with cluster_at(scheduler) as cluster:
        yield cluster.distribute


@contextmanager
def cluster_at(scheduler: str) -> Iterator[Cluster]:
    """Connect to a cluster whose workers have this version of calcigraph. Parameters and errors as `batches_on`."""
    import dask

    client = _connect(scheduler)
    try:
        cluster = Cluster(client, scheduler)
        cluster.check_versions()
        # What a task needs goes with it, on purpose; Dask would advise against it.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            yield cluster
    finally:
        client.close()


class Cluster:
    """A Dask cluster that answers; made by `cluster_at`."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address

    def everywhere(self, function: Callable[..., Any], *given: Any) -> Mapping[str, Any]:
        """function(*given) of every worker, by the worker's address.

        Raises InputError where workers lack this calcigraph, or the scheduler is lost.
        """
        try:
            found: Mapping[str, Any] = self._client.run(function, *given)
        except (ImportError, AttributeError) as error:  # AttributeError of an older calcigraph
            raise self._unfit(error) from error
        except (OSError, TimeoutError) as error:
            raise self._lost() from error
        return found

    def check_versions(self) -> None:
        """Raise InputError unless all workers have this version of calcigraph."""
        for worker, version in self.everywhere(here).items():
            if version != __version__:
                raise self._unfit(f"{worker} has calcigraph {version}, and here is {__version__}")

    def distribute(self, function: Callable[..., Any], calls: Sequence[Any], *shared: Any) -> list[Any]:
        """[function(call, *shared) for call in calls], done by the workers. Raises what the function raises."""
        found = dict(self.done(function, calls, *shared))
        for place in range(len(calls)):
            if isinstance(found[place], CalcigraphError):
                raise found[place]
        return [found[place] for place in range(len(calls))]

    def done(self, function: Callable[..., Any], calls: Iterable[Any], *shared: Any) -> Iterator[tuple[int, Any]]:
        """What the function gives for each call, as the workers come to it.

        A call whose worker dies is done by another one. So a call may be done twice, and must bear that.

        Parameters
        ----------
        function
            Called as function(call, *shared).
        calls
            Taken one by one, only a few ahead of the workers.
        shared
            The same for all calls.

        Yields
        ------
        The place of the call, from 0, and its result; or the error, where it is one of calcigraph's.

        Raises
        ------
        InputError
            The scheduler is lost, or has had no workers for a minute.
        """
        from distributed import wait

        under_way: dict[Any, int] = {}
        waiting, seen = enumerate(calls), time.monotonic()
        while True:
            threads = self._threads()
            seen = time.monotonic() if threads else seen
            for place, call in islice(waiting, max(1, AHEAD * threads - len(under_way))):
                # Not pure: Dask would hash all the data to look for an earlier result.
                under_way[self._client.submit(function, call, *shared, pure=False)] = place
            if not under_way:
                return
            try:
                with self._client.as_current():
                    ended = wait(list(under_way), timeout=LOOK_S, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                if time.monotonic() - seen > ALONE_S:
                    raise InputError(
                        f"the Dask scheduler at {self._address!r} has had no workers for {ALONE_S} s; what is done is "
                        "stored, and the same command carries on when there are some (dask worker)"
                    ) from None
                continue
            for future in ended:
                yield under_way.pop(future), self._result(future)

    def _threads(self) -> int:
        """Threads of all workers; 0 where there are none."""
        try:
            return sum(self._client.nthreads().values())
        except (OSError, TimeoutError) as error:
            raise self._lost() from error

    def _result(self, future: Any) -> Any:
        from distributed import KilledWorker

        if future.status == "error":
            error = future.exception()
            if isinstance(error, KilledWorker):
                return LimitError(
                    f"{error.allowed_failures + 1} workers ended while they did it, most often for want of memory: "
                    "give them more (dask worker --memory-limit), and repeat the command"
                )
            if isinstance(error, ImportError):
                raise self._unfit(error) from error
            if isinstance(error, CalcigraphError):
                return error
            raise error
        try:
            return future.result()
        except (CancelledError, OSError, TimeoutError) as error:
            raise self._lost() from error

    def _unfit(self, why: object) -> InputError:
        return InputError(
            f"the workers of the Dask scheduler at {self._address!r} cannot do this ({why}); "
            "install the same version of calcigraph there"
        )

    def _lost(self) -> InputError:
        return InputError(
            f"the Dask scheduler at {self._address!r} was lost; what is done is stored, and the same command carries "
            "on when it is back"
        )


def here() -> str:
    """The version of calcigraph; of a worker's, when it is asked there."""
    return __version__


def _in_threads(function: Callable[..., Any], calls: Sequence[Any], *shared: Any) -> list[Any]:
    import dask
    from dask import threaded

    tasks = [dask.delayed(function)(call, *shared) for call in calls]
    # The scheduler's function itself: given by its name, Dask would import the whole of `distributed`.
    return list(dask.compute(*tasks, scheduler=threaded.get))


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
