"""`calcigraph verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import Format, FormatOption, note, progress_bar, show
from calcigraph.errors import InputError
from calcigraph.workspace import Workspace

WRONG = 1
"""Exit code where something is wrong."""


def verify(
    context: typer.Context,
    cultures: Annotated[
        list[str] | None, typer.Argument(metavar="[CULTURE...]", help="Cultures; default all.", show_default=False)
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make again what is wrong, from source movie, movie store or graph.")
    ] = False,
    backup: Annotated[str | None, typer.Option(help="Check this backup in place of the workspace.")] = None,
    form: FormatOption = Format.table,
) -> None:
    """Check that every file and every row of the graph is what was written. The exit code is 1 if something is wrong.

    Nothing is changed without --repair, which touches nothing that is right, and tells what it cannot mend.
    """
    if repair and backup is not None:
        raise InputError("--repair mends a workspace, not a backup: restore the backup into a new workspace")
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        found = workspace.verify(cultures or (), repair=repair, backup=backup, progress=progress)
    show(["culture", "part", "state", "what"], [each.row() for each in found], form)
    wrong = [each for each in found if each.wrong]
    if wrong:
        note(f"calcigraph: {len(wrong)} of {len(found)} parts {'is' if len(wrong) == 1 else 'are'} not as written")
        raise typer.Exit(WRONG)
