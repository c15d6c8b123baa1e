"""`calcigraph report`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import note, progress_bar
from calcigraph.workspace import Workspace


def report(
    context: typer.Context,
    cultures: Annotated[list[str] | None, typer.Argument(help="Cultures to report on.", show_default=False)] = None,
    *,
    experiment: Annotated[
        list[str] | None,
        typer.Option(help="Report on the cultures of this experiment; may be repeated.", metavar="NAME"),
    ] = None,
    by: Annotated[
        str,
        typer.Option(help="What makes the groups: condition, culture, experiment, or a key of annotate."),
    ] = "condition",
    reference: Annotated[
        str | None, typer.Option(help="Group to compare the others with; default: all pairs.", metavar="GROUP")
    ] = None,
    out: Annotated[str, typer.Option("-o", "--out", help="HTML file to write.", show_default=False)],
) -> None:
    """Write one HTML file to share: map, traces, fits, events, waves, comparison. It opens offline in any browser."""
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        path = workspace.report(
            cultures or [], out, experiment=experiment, by=by, reference=reference, progress=progress
        )
    note(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
