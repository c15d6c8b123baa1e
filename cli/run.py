"""`calcigraph run`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from calcigraph.cli.output import Format, FormatOption, note, progress_bar, show
from calcigraph.errors import CalcigraphError
from calcigraph.workspace import Workspace

SchedulerOption = Annotated[
    str | None, typer.Option(help="Dask scheduler whose workers do whole cultures, tcp://host:port.", metavar="ADDRESS")
]
SHOWN = ("culture", "file", "experiment", "condition", "annotations", "steps", "state")


def run_plan(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(metavar="PLAN.toml", help="What to do with which files.", show_default=False)],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace cultures that were made of other files or options.")
    ] = False,
    scheduler: SchedulerOption = None,
    form: FormatOption = Format.table,
) -> None:
    """Do the work on many recordings that a plan lists: ingest, annotate, fit, events. Again, it carries on."""
    workspace: Workspace = context.obj
    planned = workspace.plan(plan)
    if dry_run:
        show(SHOWN, [_row(workspace, each) for each in planned.cultures], form)
        return
    with progress_bar() as progress:
        outcomes = workspace.run(planned, replace=replace, scheduler=scheduler, progress=progress)
    if planned.report is not None and any(each.outcome != "failed" for each in outcomes):
        note(f"wrote {planned.report.out}")
    tell(outcomes, form)


def tell(outcomes: Sequence[Any], form: Format) -> None:
    """Show what became of every culture. Raises CalcigraphError if any failed."""
    rows = [{"culture": each.culture, "outcome": each.outcome, "found": each.said} for each in outcomes]
    show(("culture", "outcome", "found"), rows, form)
    counts = Counter(each.outcome for each in outcomes)
    note(", ".join(f"{number} {outcome}" for outcome, number in counts.items()))
    if counts["failed"]:
        some = f"{counts['failed']} of {len(outcomes)} cultures failed"
        raise CalcigraphError(f"{some}: mend what their lines say, and run the same command again")


def _row(workspace: Workspace, each: Any) -> dict[str, Any]:
    said = {"experiment": each.ingest.get("experiment"), "condition": each.ingest.get("condition")}
    said["annotations"] = dict(each.annotate) or None
    return {
        "culture": each.culture,
        "file": str(each.source),
        **said,
        "steps": ", ".join(each.steps),
        "state": workspace.plan_state(each),
    }
