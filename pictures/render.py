"""Write a picture of a culture to a file. The kinds are those of figures 2-7, 13-16 and 19 of arXiv:2505.20327.

Figures are one or two journal columns wide (3.5 or 7.2 inches), with text of 7 points or more and colours that
colour-blind readers can tell apart. matplotlib is imported when something is drawn, pyplot never.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

from calcigraph.errors import InputError
from calcigraph.pictures.checks import check
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.kinds import Kind, named
from calcigraph.store.files import write_atomically

FORMATS = {".png": "png", ".pdf": "pdf", ".svg": "svg"}
# Without these a file would carry the time at which it was drawn.
UNDATED: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


def draw(
    kind: str,
    data: PictureData,
    path: str | os.PathLike[str],
    frame: int | None = None,
    cell: int | None = None,
    dpi: int = 200,
) -> Path:
    """Write one picture and return its path; the file appears complete or not at all.

    Parameters
    ----------
    kind
        One of KINDS. `calcigraph picture --help` says in brief what each shows, pictures/kinds.py what each needs.
    data
        The culture, with what the kind draws.
    path
        A .png, .pdf or .svg file in a folder that exists; an older file of that name is replaced.
    frame
        From 0; by default `data.image_frame`. Fits do not depend on it.
    cell
        A label. Kind traces draws this cell alone; on maps its outline is marked.
    dpi
        Pixels per inch, 50 to 1200: of a PNG, and of the pixel images inside the other formats.

    Returns
    -------
    The file that was written.

    Raises
    ------
    InputError
        Unknown kind, suffix or frame, a missing folder, a file that cannot be written, or no movie or outlines.
    NotFoundError
        No such label, no fit yet, or a model that does not train.
    """
    chosen, target = named(kind), Path(path)
    shown = data.image_frame if frame is None else frame
    check(chosen, data, shown, cell)
    form = _check_target(target)
    if not 50 <= dpi <= 1200:
        raise InputError(f"dpi is {dpi}, expected 50 to 1200")
    _replace(target, _render(chosen, data, shown, cell, form, dpi))
    return target


def _render(kind: Kind, data: PictureData, frame: int, cell: int | None, form: str, dpi: int) -> bytes:
    from calcigraph.pictures.style import journal_style

    buffer = BytesIO()
    with journal_style():
        figure = kind.painter()(data, frame, cell)
        title = {"Title": f"{data.culture}: {kind.name}"}
        figure.savefig(buffer, format=form, dpi=dpi, metadata=title | UNDATED[form])
    return buffer.getvalue()


def _check_target(path: Path) -> str:
    """The format that the file's suffix stands for. Raises InputError."""
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise InputError(f"cannot tell the format of {str(path)!r}: name it .png, .pdf or .svg")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}; make it first")
    if path.is_dir():
        raise InputError(f"cannot write {str(path)!r}: it is a folder")
    return form


def _replace(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, lambda draft: draft.write_bytes(content))
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
