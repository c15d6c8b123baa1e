"""`calcigraph migrate`."""

from __future__ import annotations

import typer

from calcigraph.cli.output import note, progress_bar
from calcigraph.workspace import Workspace


def migrate(context: typer.Context) -> None:
    """Bring a graph that an older calcigraph wrote to this version; on a server, once all who use it have this one."""
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        version = workspace.migrate(progress)
    note(f"the graph has schema version {version}")
