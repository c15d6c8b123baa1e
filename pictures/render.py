"""Write a picture of a culture to a file. The kinds are those of figures 2-7, 13-16 and 19 of arXiv:2505.20327.

Figures are one or two journal columns wide (3.5 or 7.2 inches), with text of 7 points or more and colours that
colour-blind readers can tell apart. matplotlib is imported when something is drawn, pyplot never.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.errors import CalcigraphError, InputError
from calcigraph.pictures.checks import check
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.kinds import Kind, named
from calcigraph.store.files import require_place, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = {".png": "png", ".pdf": "pdf", ".svg": "svg"}
DPI = 200
MM_AN_INCH, NARROWEST, WIDEST = 25.4, 80, 400
"""Millimetres of an inch, and those between which the width of a page lies."""
# Without these a file would carry the time at which it was drawn.
UNDATED: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


def draw(
    kind: str,
    data: PictureData,
    path: str | os.PathLike[str],
    frame: int | None = None,
    cell: int | Sequence[int] | None = None,
    dpi: int = DPI,
    width: str | None = None,
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
        A label, or several. Kind traces draws these cells alone; on maps their outlines are marked.
    dpi
        Pixels per inch, 50 to 1200: of a PNG, and of the pixel images inside the other formats.
    width
        "single" (89 mm), "double" (183 mm) or millimetres, of the page; None for the usual width of the kind.

    Returns
    -------
    The file that was written.

    Raises
    ------
    InputError
        Unknown kind, suffix, frame or width, a missing folder, a file that cannot be written, or no movie or outlines.
    NotFoundError
        No such label, no fit yet, or a model that does not train.
    """
    chosen, target = named(kind), Path(path)
    if chosen.moves:
        raise InputError(f"{kind} is no page: `calcigraph picture {data.culture} {kind} -o FILE.mp4` writes it")
    shown = data.image_frame if frame is None else frame
    cells = chosen_cells(cell)
    check(chosen, data, shown, cells)
    form = check_target(target)
    check_dpi(dpi)
    replace_file(target, _render(chosen, data, shown, cells, form, dpi, inches(width)))
    return target


def chosen_cells(cell: int | Sequence[int] | None) -> tuple[int, ...]:
    """The cells that were chosen, each once."""
    given = [] if cell is None else [cell] if isinstance(cell, int) else list(cell)
    return tuple(dict.fromkeys(given))


def check_dpi(dpi: int) -> None:
    """Raise InputError for a resolution that no page needs."""
    if not 50 <= dpi <= 1200:
        raise InputError(f"dpi is {dpi}, expected 50 to 1200")


def inches(width: str | None) -> float | None:
    """The width of a page in inches, from "single", "double" or millimetres. Raises InputError.

    >>> inches("single"), inches("127"), inches("127 mm"), inches(None)
    (3.5, 5.0, 5.0, None)
    """
    from calcigraph.pictures.style import DOUBLE, SINGLE

    if width is None:
        return None
    named = {"single": SINGLE, "double": DOUBLE}
    try:
        asked = named[width] if width in named else float(width.removesuffix("mm")) / MM_AN_INCH
    except ValueError:
        asked = 0.0
    if not NARROWEST <= round(asked * MM_AN_INCH, 6) <= WIDEST:
        raise InputError(f"width is {width!r}, expected single, double or {NARROWEST} to {WIDEST} mm")
    return asked


def _render(
    kind: Kind, data: PictureData, frame: int, cells: tuple[int, ...], form: str, dpi: int, width: float | None
) -> bytes:
    from calcigraph.pictures.style import journal_style

    with journal_style(width):
        figure = kind.painter()(data, frame, cells)
        return saved(figure, f"{data.culture}: {kind.name}", form, dpi)


def saved(figure: Figure, title: str, form: str, dpi: int) -> bytes:
    """A figure as the content of a file, without a date."""
    buffer = BytesIO()
    figure.savefig(buffer, format=form, dpi=dpi, metadata={"Title": title} | UNDATED[form])
    return buffer.getvalue()


def check_target(path: Path, suffixes: Sequence[str] = tuple(FORMATS)) -> str:
    """The format that the file's suffix stands for. Raises InputError."""
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise InputError(f"cannot tell the format of {str(path)!r}: name it {' or '.join(_joined(suffixes))}")
    require_place(path)
    if path.is_dir():
        raise InputError(f"cannot write {str(path)!r}: it is a folder")
    return FORMATS.get(suffix, suffix)


def _joined(suffixes: Sequence[str]) -> list[str]:
    """All but the last with commas, and the last."""
    *first, last = suffixes
    return [", ".join(first), last] if first else [last]


def replace_file(path: Path, content: bytes) -> None:
    replace_with(path, lambda draft: draft.write_bytes(content))


def replace_with(path: Path, write: Callable[[Path], object]) -> None:
    """Put a file in its place whole, written by `write`. Raises InputError."""
    try:
        write_atomically(path, write)
    except CalcigraphError:
        raise  # what is read for the file is damaged
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
