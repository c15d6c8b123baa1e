"""`calcigraph view`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import note
from calcigraph.errors import command
from calcigraph.workspace import Workspace


def view(
    context: typer.Context,
    culture: Annotated[str, typer.Argument(help="Culture to look at.", show_default=False)],
) -> None:
    """Open a culture in napari: movie, cells to mend, contacts, and a table of what is known of each cell."""
    workspace: Workspace = context.obj
    mend = command("curate", [culture], "--masks", "EDITED.tif")
    note(f"to mend cells: edit the layer `cells`, save it (File, Save Selected Layers) as EDITED.tif, and run `{mend}`")
    workspace.view(culture)
