"""Putting an export in its place: built beside it, flushed, and renamed, so that no half of one looks whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from calcigraph.errors import CalcigraphError, InputError
from calcigraph.store.files import draft_folder, flush, require_place, write_atomically

MARK = "culture.json"
"""What every exported folder has: only such a folder, or an empty one, is replaced."""


def check_place(path: Path, folder: bool, replace: bool) -> None:
    """Raise InputError, before anything is read, where an export cannot be written."""
    require_place(path)
    if not path.exists():
        return
    if not folder and path.is_dir():
        raise InputError(f"cannot write {str(path)!r}: it is a folder; name a file")
    if folder and not path.is_dir():
        raise InputError(f"cannot write {str(path)!r}: it is a file; this format is a folder of files")
    if folder and any(path.iterdir()):
        if not (path / MARK).is_file():
            raise InputError(f"cannot write {str(path)!r}: the folder holds other files; name a new folder")
        if not replace:
            raise InputError(f"{str(path)!r} holds an export already: name a new folder, or replace it with --replace")


def write_in_place(path: Path, folder: bool, build: Callable[[Path], object]) -> None:
    """Write a file or a folder, which appears whole or not at all.

    Parameters
    ----------
    path
        Where it shall be; `check_place` allows it.
    folder
        Whether it is a folder.
    build
        Called once: with the path of a draft to write, or with a new folder to fill.

    Raises
    ------
    InputError
        The disk is full, or the place may not be written; nothing is left behind.
    """
    try:
        if folder:
            _write_folder(path, build)
        else:
            write_atomically(path, build)
    except CalcigraphError:
        raise  # some of them are OSErrors too: the graph was lost, not the disk full
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def _write_folder(path: Path, build: Callable[[Path], object]) -> None:
    with draft_folder(path) as folder:
        draft = folder / path.name
        draft.mkdir()
        build(draft)
        for each in (*draft.rglob("*"), draft):
            flush(each)
        if path.exists():
            # Renaming over a folder that is not empty fails, so the old one steps aside first.
            path.rename(folder / "old")
        draft.rename(path)
        flush(path.parent)
    flush(path.parent)  # the old one is gone for good
