"""A picture of a culture as a matplotlib figure, for notebooks and for figures of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from calcigraph.errors import InputError
from calcigraph.pictures.checks import check
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.kinds import named
from calcigraph.pictures.render import chosen_cells, inches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_DPI = 120
"""Pixels per inch in a notebook."""


def figure_of(
    kind: str,
    data: PictureData,
    frame: int | None = None,
    cell: int | Sequence[int] | None = None,
    width: str | None = None,
) -> Figure:
    """The figure that `draw` would write. Parameters and errors as for `draw`.

    Returns
    -------
    A matplotlib Figure, which Jupyter shows where it is the last line of a cell. Change its axes, or save it with
    `figure.savefig("picture.pdf")`.
    """
    from calcigraph.pictures.style import journal_style

    chosen = named(kind)
    if chosen.moves:
        raise InputError(f"{kind} is no page: Workspace.film writes it into an MP4 file")
    shown = data.image_frame if frame is None else frame
    cells = chosen_cells(cell)
    check(chosen, data, shown, cells)
    with journal_style(inches(width)):
        figure = chosen.painter()(data, shown, cells)
    # pyplot, which would make Jupyter show figures, is never imported: it keeps them all, and picks a window system.
    figure._repr_png_ = lambda: _png(figure)  # type: ignore[attr-defined]
    return figure


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=SHOWN_DPI)
    return buffer.getvalue()
