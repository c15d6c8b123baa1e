"""`calcigraph events`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from calcigraph import EventOptions
from calcigraph.cli.options import takes
from calcigraph.cli.output import ExperimentOption, Format, FormatOption, chosen, failing_last, note, show
from calcigraph.store.progress import Progress
from calcigraph.workspace import Workspace

COLUMNS = (
    "culture", "events", "active_cells", "cells", "event_rate_per_h", "waves", "flashes", "links", "ties", "found",
)  # fmt: skip
"""What JSON and CSV have of `query event_run`; a table has the sentence only."""


@takes(EventOptions)
def events(
    context: typer.Context,
    cultures: Annotated[
        list[str] | None, typer.Argument(help="Cultures to look for events in.", show_default=False)
    ] = None,
    *,
    experiment: ExperimentOption = None,
    options: EventOptions,
    form: FormatOption = Format.table,
) -> None:
    """Find calcium events and the waves that they make, and write them into the graph."""
    workspace: Workspace = context.obj
    names = chosen(workspace, cultures, experiment)
    rows: list[dict[str, Any]] = []

    def one(culture: str, progress: Progress) -> None:
        for line in workspace.events(culture, options, progress=progress).advice:
            note(f"{culture}: {line}")
        rows.extend(workspace.rows("event_run", culture=culture)[1])

    with failing_last(names, one):
        if rows or form is not Format.table:
            show(("culture", "found") if form is Format.table else COLUMNS, rows, form)
