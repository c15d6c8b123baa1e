"""`calcigraph picture`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.annotate import parsed_labels
from calcigraph.cli.output import DpiOption, WidthOption, note, progress_bar
from calcigraph.errors import InputError
from calcigraph.models.table import DEFAULT_MODEL
from calcigraph.pictures.kinds import FILM, TABLE
from calcigraph.workspace import Workspace

*_FIRST, _LAST = (f"{kind.name} ({kind.detail})" if kind.detail else kind.name for kind in TABLE)
KINDS = {*(kind.name for kind in TABLE), FILM}
KIND_HELP = f"{', '.join(_FIRST)} or {_LAST}."


def picture(
    context: typer.Context,
    culture: Annotated[str, typer.Argument(help="Culture to draw.", show_default=False)],
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help=KIND_HELP, show_default=False),
    ],
    out: Annotated[
        str, typer.Option("-o", "--out", help="PNG, PDF or SVG to write; MP4 for a film.", show_default=False)
    ],
    model: Annotated[str, typer.Option(help="Whose fit to draw.")] = DEFAULT_MODEL,
    frame: Annotated[int, typer.Option(help="Frame to draw, from 0.")] = 0,
    cell: Annotated[
        list[str] | None,
        typer.Option(help="Label of a cell to draw, or several: 3,7,12-14; may be repeated.", metavar="LABELS"),
    ] = None,
    wave: Annotated[int | None, typer.Option(help="Number of one wave to draw alone.", metavar="N")] = None,
    show: Annotated[
        str | None,
        typer.Option(help="What a film shows: movie or cells; default: the movie where there is one."),
    ] = None,
    fps: Annotated[int | None, typer.Option(help="Frames a second of a film, 1 to 120; default: 24.")] = None,
    dff: Annotated[bool, typer.Option("--dff", help="dF/F0 in place of intensity, in a raster.")] = False,
    dpi: DpiOption = 200,
    width: WidthOption = None,
) -> None:
    """Draw a culture: its cells, traces, fits, events and waves; figures 2-7, 13-16 and 19 of the paper among them."""
    workspace: Workspace = context.obj
    if culture in KINDS and kind not in KINDS:
        raise InputError(f"the culture comes first: calcigraph picture {kind} {culture} -o {out}")
    cells = [label for text in cell or [] for label in parsed_labels(text, "--cell")]
    if kind == FILM:
        if dff or wave is not None:
            raise InputError("a film has neither --dff nor --wave: leave them out")
        with progress_bar() as progress:
            film = workspace.film(
                culture,
                out,
                show=show,
                fps=24 if fps is None else fps,
                cell=cells,
                dpi=dpi,
                width=width,
                progress=progress,
            )
        note(f"wrote {film}")
        return
    if show is not None or fps is not None:
        raise InputError(f"--show and --fps are for a film, not for {kind}: leave them out")
    drawn = workspace.picture(
        culture, kind, out, model=model, frame=frame, cell=cells or None, wave=wave, dff=dff, dpi=dpi, width=width
    )
    note(f"wrote {drawn}")
