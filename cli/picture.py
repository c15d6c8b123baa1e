"""`calcigraph picture`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import note
from calcigraph.models.table import DEFAULT_MODEL
from calcigraph.pictures.kinds import TABLE
from calcigraph.workspace import Workspace

*_FIRST, _LAST = (f"{kind.name} ({kind.detail})" if kind.detail else kind.name for kind in TABLE)
KIND_HELP = f"{', '.join(_FIRST)} or {_LAST}."


def picture(
    context: typer.Context,
    culture: Annotated[str, typer.Argument(help="Culture to draw.", show_default=False)],
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help=KIND_HELP, show_default=False),
    ],
    out: Annotated[str, typer.Option("-o", "--out", help="PNG, PDF or SVG to write.", show_default=False)],
    model: Annotated[str, typer.Option(help="Whose fit to draw.")] = DEFAULT_MODEL,
    frame: Annotated[int, typer.Option(help="Frame to draw, from 0.")] = 0,
    cell: Annotated[int | None, typer.Option(help="Label of one cell to draw.", metavar="LABEL")] = None,
    wave: Annotated[int | None, typer.Option(help="Number of one wave to draw alone.", metavar="N")] = None,
) -> None:
    """Draw a culture: the paper's figures 2-7, 13-16 and 19, and its events and waves."""
    workspace: Workspace = context.obj
    note(f"wrote {workspace.picture(culture, kind, out, model=model, frame=frame, cell=cell, wave=wave)}")
