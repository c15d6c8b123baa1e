"""`calcigraph delete`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import note
from calcigraph.workspace import Workspace


def delete(
    context: typer.Context, culture: Annotated[str, typer.Argument(help="Culture to delete.", show_default=False)]
) -> None:
    """Delete a culture: its cells, contacts, fits and movie store."""
    workspace: Workspace = context.obj
    workspace.delete(culture)
    note(f"culture {culture} is deleted")
