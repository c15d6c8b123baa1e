"""`calcigraph export`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import note
from calcigraph.export.formats import FORMATS
from calcigraph.workspace import Workspace

FORMAT_HELP = f"{', '.join(list(FORMATS)[:-1])} or {list(FORMATS)[-1]}; by default what the ending of PATH says."


def export(
    context: typer.Context,
    culture: Annotated[str, typer.Argument(help="Culture to export.", show_default=False)],
    out: Annotated[
        str, typer.Option("-o", "--out", metavar="PATH", help="File or folder to write.", show_default=False)
    ],
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help=FORMAT_HELP, show_default=False)
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a folder that holds an export.")] = False,
) -> None:
    """Write a culture for other programs: tables, graphs, maps, archives, databases."""
    workspace: Workspace = context.obj
    done = workspace.export(culture, out, form, replace=replace)
    note(f"wrote {done.path}{f' and {done.also}' if done.also else ''} ({done.format})")
    for line in done.left_out:
        note(f"without: {line}")
