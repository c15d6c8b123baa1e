"""`calcigraph status`."""

from __future__ import annotations

import typer

from calcigraph.cli.output import Format, FormatOption, show
from calcigraph.workspace import Workspace


def status(context: typer.Context, form: FormatOption = Format.table) -> None:
    """Show what there is, what the latest fits found, warnings, and what is incomplete."""
    workspace: Workspace = context.obj
    show(["item", "culture", "value"], workspace.status(), form)
