"""`calcigraph backup` and `calcigraph restore`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import note, progress_bar
from calcigraph.workspace import Workspace


def backup(
    context: typer.Context,
    out: Annotated[str, typer.Argument(help="A new folder for the backup.", show_default=False)],
) -> None:
    """Save all cultures, movies and graph, in one folder; others may use the workspace meanwhile."""
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        saved = workspace.backup(out, progress=progress)
    for name, why in saved.left_out.items():
        note(f"warning: not all of culture {name} is in the backup: {why}")
    count = len(saved.cultures)
    note(f"{count} culture{'' if count == 1 else 's'} saved in {out}")


def restore(
    context: typer.Context,
    backup: Annotated[str, typer.Argument(help="A folder that `backup` wrote.", show_default=False)],
) -> None:
    """Make a workspace from a backup; with NEO4J_URI, its graph goes to that server."""
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        names = workspace.restore(backup, progress=progress)
    count = len(names)
    note(f"{count} culture{'' if count == 1 else 's'} restored into {workspace.folder}")
