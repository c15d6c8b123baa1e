"""Work on many cultures, one after another or by the workers of a Dask cluster: whole plans, and fits.

A worker that does a plan writes into workspace and graph itself, so it must see those that the command sees. A worker
that fits gets arrays and gives arrays back; only the command writes.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from calcigraph.errors import CalcigraphError, GraphError, InputError, LimitError, WorkspaceError
from calcigraph.models.table import FitOptions
from calcigraph.plan import Plan, Planned
from calcigraph.planned import FAILED, Outcome, outcome_of
from calcigraph.store.location import Location
from calcigraph.store.types import Fit, Progress, Subgraph, silent

Workspace = Any
"""calcigraph.Workspace, which imports this module."""

SERVED = "on a server"


@dataclass(frozen=True)
class Place:
    """Where a plan's cultures go: what every worker has to see."""

    kind: type[Workspace]
    folder: Location
    mark: str
    """The name of a file among the movies."""
    graph: str
    """When the graph was made, and on which machine it is used, or SERVED."""


def carry_out(
    workspace: Workspace, plan: Plan, replace: bool, scheduler: str | None, progress: Progress = silent
) -> list[Outcome]:
    """Do all of a plan; a culture that fails does not stop the others.

    Parameters
    ----------
    workspace
        Where to.
    plan
        As `calcigraph.plan.read_plan` gives it.
    replace
        Whether cultures that were made of another input are replaced.
    scheduler
        Address of a Dask scheduler whose workers each do whole cultures; they must see the same workspace and files.
    progress
        Called with the stages of the work on each culture; with a scheduler with the number of cultures that are done.

    Returns
    -------
    What became of each culture, in the plan's order. A report, if the plan asks for one, has those that did not fail.
    """
    outcomes = _all(workspace, plan.cultures, replace, scheduler, progress)
    written = [each.culture for each in outcomes if each.outcome != FAILED]
    if plan.report is not None and written:
        report = plan.report
        # One culture alone is compared with nothing.
        groups = {"by": report.by, "reference": report.reference} if len(written) > 1 else {}
        workspace.report(written, str(report.out), progress=progress, **groups)
    return outcomes


def _all(
    workspace: Workspace, cultures: Sequence[Planned], replace: bool, scheduler: str | None, progress: Progress
) -> list[Outcome]:
    if scheduler is None:
        return [
            outcome_of(workspace, each, replace, partial(_with_place, progress, f"{number}/{len(cultures)}"))
            for number, each in enumerate(cultures, start=1)
        ]
    return _carried_out_elsewhere(workspace, cultures, replace, scheduler, progress)


def _with_place(progress: Progress, place: str, stage: str, done: int, total: int) -> None:
    progress(f"{place} {stage}", done, total)


def _carried_out_elsewhere(
    workspace: Workspace, cultures: Sequence[Planned], replace: bool, scheduler: str, progress: Progress
) -> list[Outcome]:
    """What became of each culture, in their order, done by workers.

    Raises InputError before anything is done if a worker has another calcigraph, workspace or graph.
    """
    from calcigraph.models.scheduler import cluster_at

    found: dict[int, Outcome] = {}
    with cluster_at(scheduler) as cluster, _marked(workspace) as place:
        for worker, fault in cluster.everywhere(fault_of, place).items():
            if fault:
                raise InputError(f"worker {worker} cannot do this: {fault}")
        progress("cultures", 0, len(cultures))
        for number, outcome in cluster.done(_elsewhere, cultures, place, replace):
            failed = isinstance(outcome, CalcigraphError)
            found[number] = Outcome(cultures[number].culture, FAILED, str(outcome)) if failed else outcome
            progress("cultures", len(found), len(cultures))
    return [found[number] for number in range(len(cultures))]


@contextmanager
def _marked(workspace: Workspace) -> Iterator[Place]:
    """A file among the movies that workers have to find; it is gone at the end."""
    mark = workspace.make_folder("movies") / f".seen-by-workers-{secrets.token_hex(8)}.lock"
    place = Place(type(workspace), workspace.folder.resolve(), mark.name, _graph_of(workspace))
    try:
        mark.write_bytes(b"")
    except OSError as error:
        raise WorkspaceError(f"workspace {workspace.folder} cannot be written ({error.strerror})") from error
    try:
        yield place
    finally:
        mark.unlink(missing_ok=True)


def _graph_of(workspace: Workspace) -> str:
    return f"{workspace.graph.identity} {SERVED if _served() else socket.gethostname()}"


def _served() -> bool:
    return bool(os.environ.get("NEO4J_URI"))


def fault_of(place: Place) -> str:
    """On a worker: why it cannot do a culture of a plan; empty where it can."""
    with place.kind(place.folder) as workspace:
        return _fault(place, workspace)


def _fault(place: Place, workspace: Workspace) -> str:
    here, served = socket.gethostname(), place.graph.endswith(f" {SERVED}")
    try:
        if not (place.folder / "movies" / place.mark).exists():
            return f"{here} does not see the workspace {place.folder}; all workers need that folder, in the same place"
    except CalcigraphError as error:  # of object storage
        return f"{here}: {error}"
    if served != _served():
        set_there, there = ("the command", here) if served else (here, "the command")
        return f"NEO4J_URI is set for {set_there} and not for {there}; start both with the same NEO4J_ variables"
    if not served and not place.graph.endswith(f" {here}"):
        return f"the graph is in the workspace, for programs of one machine; {here} is another: use a Neo4j (NEO4J_URI)"
    try:
        same = _graph_of(workspace) == place.graph
    except CalcigraphError as error:
        return str(error)
    return "" if same else f"NEO4J_URI or NEO4J_DATABASE of {here} names another graph than the command's"


def _elsewhere(planned: Planned, place: Place, replace: bool) -> Outcome:
    """On a worker, which may have come after all were asked."""
    with place.kind(place.folder) as workspace:
        fault = _fault(place, workspace)
        return Outcome(planned.culture, FAILED, fault) if fault else outcome_of(workspace, planned, replace, silent)


def fits(
    workspace: Workspace,
    cultures: Sequence[str],
    model: str,
    options: FitOptions,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Iterator[tuple[str, Fit | CalcigraphError]]:
    """Culture and fit, or why there is none. See `Workspace.fits`, which writes them; nothing is written here.

    Of one culture alone, workers do batches of cells.
    """
    if scheduler is not None and len(cultures) > 1:
        yield from _fits_elsewhere(workspace, cultures, model, options, scheduler, progress)
        return
    from calcigraph.models import fit

    for culture in cultures:
        try:
            found = fit(workspace.subgraph(culture), model, options, scheduler=scheduler, progress=progress)
        except GraphError:
            raise
        except CalcigraphError as error:
            yield culture, error
        else:
            yield culture, found


def _fits_elsewhere(
    workspace: Workspace, cultures: Sequence[str], model: str, options: FitOptions, scheduler: str, progress: Progress
) -> Iterator[tuple[str, Fit | CalcigraphError]]:
    """As the workers come to them."""
    from calcigraph.models.scheduler import cluster_at

    sent: list[str] = []
    unread: list[tuple[str, CalcigraphError]] = []

    def graphs() -> Iterator[Subgraph]:
        for culture in cultures:
            try:
                graph = workspace.subgraph(culture)
            except GraphError:
                raise
            except CalcigraphError as error:
                unread.append((culture, error))
                continue
            sent.append(culture)
            yield graph

    with cluster_at(scheduler) as cluster:
        progress("cultures", 0, len(cultures))
        for number, (place, found) in enumerate(cluster.done(_fitted, graphs(), model, options), start=1):
            lost = isinstance(found, LimitError)
            yield sent[place], LimitError(f"culture {sent[place]}: {found}") if lost else found
            progress("cultures", number, len(cultures))
    yield from unread


def _fitted(subgraph: Subgraph, model: str, options: FitOptions) -> Fit:
    """On a worker."""
    from calcigraph.models import fit

    return fit(subgraph, model, options)
