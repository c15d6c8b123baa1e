"""Doing what a plan says of one culture; what is done already is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from calcigraph.errors import CalcigraphError
from calcigraph.ingest.options import TraceOptions
from calcigraph.models.event_options import EventOptions
from calcigraph.models.table import FitOptions
from calcigraph.plan import Planned
from calcigraph.said import fit_said
from calcigraph.store.types import Culture, Progress

Workspace = Any
"""calcigraph.Workspace, which imports this module."""

DONE, THERE, FAILED = "done", "there already", "failed"


@dataclass(frozen=True)
class Outcome:
    """What became of one culture of a plan."""

    culture: str
    outcome: str
    """DONE, THERE or FAILED."""
    said: str
    """What was found, or what went wrong."""


def outcome_of(workspace: Workspace, planned: Planned, replace: bool, progress: Progress) -> Outcome:
    """Do what a plan says of one culture; what fails is told."""
    try:
        return _carried_out(workspace, planned, replace, progress)
    except CalcigraphError as error:
        return Outcome(planned.culture, FAILED, str(error))


def _carried_out(workspace: Workspace, planned: Planned, replace: bool, progress: Progress) -> Outcome:
    options, name = planned.ingest_options(), planned.culture
    given: dict[str, Any] = {"replace": replace, "progress": progress}
    if isinstance(options, TraceOptions):
        values = {field: getattr(options, field) for field in TraceOptions.__dataclass_fields__}
        culture, _ = workspace.ingest_traces(str(planned.source), name, **values, **given)
    else:
        culture, _ = workspace.ingest(str(planned.source), name, options, keep_mended=True, **given)
    mended = _mended(workspace, culture)
    due = due_of(workspace, culture, planned)
    if not due:
        return Outcome(name, THERE, "; ".join([*mended, *found_in(workspace, planned)]))
    if planned.annotate:
        workspace.annotate(name, planned.annotate)
    said: list[str] = []
    if "fit" in due and planned.fit is not None:
        fitted = workspace.fit(name, planned.model, FitOptions(**planned.fit), progress=progress)
        said.append(fit_said(fitted))
    if "events" in due and planned.events is not None:
        workspace.events(name, EventOptions(**planned.events), progress=progress)
        said.append(_events_said(workspace, name))
    workspace.graph.finish_plan(name, planned.setting)
    return Outcome(
        name, DONE, "; ".join([*mended, *(said or found_in(workspace, planned) or [f"{culture.frames} frames"])])
    )


def state_of(workspace: Workspace, planned: Planned) -> str:
    """What a run would find of a culture, as far as that shows before its file is read."""
    culture = workspace.known(planned.culture)
    if not planned.source.exists():
        return "no such file"
    if culture is None:
        return "new"
    if culture.plan is None:
        return "there, not by this plan"
    state = "there, of another state of the plan" if culture.plan != planned.setting else "done already"
    due = due_of(workspace, culture, planned)
    mended = ["masks mended, which stay"] if _mended(workspace, culture) else []
    return "; ".join([state, *mended, *([f"to do: {', '.join(due)}"] if due else [])])


def _mended(workspace: Workspace, culture: Culture) -> list[str]:
    """That the masks of a culture were mended, and that the plan leaves them so."""
    history = workspace.graph.history(culture.uid)
    if not history or history[-1].digest != culture.input_digest:
        return []
    return [f"its masks were mended {history[-1].when[:10]} (curate) and are kept"]


def due_of(workspace: Workspace, culture: Culture, planned: Planned) -> tuple[str, ...]:
    """What is left to do of a plan after the ingest: annotate, fit, events; nothing where all of it was done.

    A culture that is written anew has no plan; so what its plan says was done after its ingest. Fits and events of
    masks that were mended since are due again.
    """
    if culture.plan == planned.setting:
        due = []
    else:
        before, now = (json.loads(text) if text else {} for text in (culture.plan, planned.setting))
        due = ["annotate"]
        due += ["fit"] if planned.fit is not None and _differ(before, now, "model", "fit") else []
        due += ["events"] if planned.events is not None and _differ(before, now, "events") else []
    stale = [row["model"] for row in workspace.graph.stale() if row["culture"] == culture.uid]
    fits = [row for row in workspace.rows("fits", culture=culture.uid)[1] if row["model"] == planned.model]
    if planned.fit is not None and fits and fits[-1]["stale"] is not None:
        due.append("fit")
    if planned.events is not None and (None in stale or "fit" in due):  # own shares of events rest on the fit
        due.append("events")
    return tuple(dict.fromkeys(due))


def _differ(before: Mapping[str, Any], now: Mapping[str, Any], *names: str) -> bool:
    return any(name not in before or before[name] != now[name] for name in names)


def _events_said(workspace: Workspace, name: str) -> str:
    return str(workspace.rows("event_run", culture=name)[1][0]["found"])


def found_in(workspace: Workspace, planned: Planned) -> list[str]:
    """What the graph has of a culture that a plan has done."""
    steps: dict[str, Callable[[], str]] = {
        "fit": lambda: f"coupling {workspace.rows('fits', culture=planned.culture)[1][-1]['identified']}",
        "events": lambda: _events_said(workspace, planned.culture),
    }
    return [steps[step]() for step in planned.steps if step in steps]
