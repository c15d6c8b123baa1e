"""`calcigraph curate`."""

from __future__ import annotations

from typing import Annotated

import typer

from calcigraph.cli.output import note, progress_bar
from calcigraph.workspace import Workspace


def curate(
    context: typer.Context,
    culture: Annotated[str, typer.Argument(help="Culture whose masks were mended.", show_default=False)],
    masks: Annotated[
        str,
        typer.Option(
            help="The mended masks: label TIFF or PNG, Cellpose _seg.npy, or ROI zip of ImageJ.", show_default=False
        ),
    ],
) -> None:
    """Take mended masks: cells that changed are measured anew from the stored movie, all else stays.

    Fits and events of the older masks are marked stale.
    """
    from calcigraph.store.curated import counted, remedy

    workspace: Workspace = context.obj
    with progress_bar() as progress:
        changes = workspace.curate(culture, masks, progress=progress)
    if changes is None:
        note(f"culture {culture}: these are its masks already, nothing changed")
        return
    for warning in workspace.culture(culture).warnings:
        note(f"warning: {warning}")
    old = [row["model"] for row in workspace.graph.stale() if row["culture"] == culture]
    what = counted(old)
    stale = f"{what} {'is' if what == '1 fit' else 'are'} stale: "
    told = f"; {stale}{remedy(culture, old)}" if what else ""
    note(f"culture {culture}: {changes.sentence}{told}")
