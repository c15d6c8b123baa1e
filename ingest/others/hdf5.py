"""What is common to HDF5 files of other programs: CaImAn, NWB and AnnData."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calcigraph.errors import CalcigraphError, InputError
from calcigraph.ingest.extra import library

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5, by its first bytes."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as handle:
            return handle.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False  # whoever reads it will say why


def program_of(path: Path) -> str | None:
    """ "NWB", "AnnData" or "CaImAn"; None for what is no HDF5.

    Raises InputError for another HDF5 file, MissingExtraError where h5py is not installed.
    """
    if not is_hdf5(path):
        return None
    with opened(path) as file:
        if "nwb_version" in file.attrs:
            return "NWB"
        if file.attrs.get("encoding-type") == "anndata" or {"X", "obs", "var"} <= set(file):
            return "AnnData"
        if "estimates" in file:
            return "CaImAn"
        inside = ", ".join(sorted(file)[:5])
    raise InputError(
        f"{path}: an HDF5 file of a program that is not known (it has {inside or 'nothing'}); expected "
        "CaImAn's, NWB or AnnData"
    )


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file, opened with h5py. What h5py raises inside becomes an InputError in one line."""
    h5py = library("h5py", "HDF5 files", str(path))
    with readable(path, "HDF5"), h5py.File(path, "r") as file:
        yield file


@contextmanager
def readable(path: Path, kind: str) -> Iterator[None]:
    """What a library raises inside becomes an InputError in one line."""
    try:
        yield
    except CalcigraphError:
        raise
    except Exception as error:  # libraries raise what they like on damaged files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: not readable as {kind} ({reason})") from error
