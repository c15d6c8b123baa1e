"""`calcigraph status`."""

from __future__ import annotations

import typer

from calcigraph.cli.output import Format, FormatOption, show
from calcigraph.workspace import Workspace


def status(context: typer.Context, form: FormatOption = Format.table) -> None:
    """Show engine, versions, workspace, counts, warnings, and what is incomplete."""
    workspace: Workspace = context.obj
    show(["item", "culture", "value"], workspace.status(), form)
