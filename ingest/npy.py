"""NumPy's .npy files whose content is a pickle: only arrays and plain containers are made of it, and nothing is run.

Cellpose's `_seg.npy`, and `stat.npy` and `ops.npy` of suite2p are such files. A pickle may name any function of any
package and have it called. Here a pickle names things by a fixed table; nothing is imported because a file says so.
"""

from __future__ import annotations

import importlib
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.errors import InputError, NotFoundError


class Unread:
    """In the place of a path or a date: takes anything, does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _made_bytes(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as pickles of old protocols write them."""
    return text.encode("latin1") if encoding in ("latin1", "latin-1") else b""


_PLAIN = {"set": set, "frozenset": frozenset, "complex": complex, "slice": slice, "bytearray": bytearray}


def _part(name: str) -> Any:
    """A module of NumPy's core, which has another name before version 2."""
    core = "numpy._core" if hasattr(np, "_core") else "numpy.core"
    return importlib.import_module(f"{core}.{name}")


def _known() -> dict[tuple[str, str], Any]:
    """What a pickle may name: whatever makes arrays, their types, single numbers and plain containers."""
    multiarray, numeric = _part("multiarray"), _part("numeric")
    arrays = {"_reconstruct": multiarray._reconstruct, "scalar": multiarray.scalar}
    found: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("_codecs", "encode"): _made_bytes,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }
    for core in ("numpy.core", "numpy._core"):
        found |= {(f"{core}.multiarray", name): function for name, function in arrays.items()}
        found[f"{core}.numeric", "_frombuffer"] = numeric._frombuffer
    for name in dir(np.dtypes):  # numpy.dtypes.Float64DType and the like
        kind = getattr(np.dtypes, name)
        if isinstance(kind, type) and issubclass(kind, np.dtype):
            found["numpy.dtypes", name] = kind
    return found | {(module, name): kind for module in ("builtins", "__builtin__") for name, kind in _PLAIN.items()}


_UNREAD_MODULES = frozenset({"pathlib", "pathlib._local", "datetime", "zoneinfo", "pytz", "dateutil.tz", "tzlocal"})
"""Of paths and dates, which these files hold beside what is wanted; they become `Unread`."""


class NotData(Exception):
    """A pickle names what is neither an array nor a plain container."""


class _ArraysOnly(pickle.Unpickler):
    """Unpickles arrays and plain containers; refuses every other thing that a pickle names."""

    def find_class(self, module: str, name: str) -> Any:
        if not hasattr(_ArraysOnly, "known"):
            _ArraysOnly.known = _known()
        found = _ArraysOnly.known.get((module, name))
        if found is not None:
            return found
        if module in _UNREAD_MODULES or module.startswith("pytz."):
            return Unread
        raise NotData(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise NotData("a reference to another file")

    known: dict[tuple[str, str], Any]


def load_npy(file: Path, expected: str) -> Any:
    """The content of a .npy file, pickled or not.

    Parameters
    ----------
    file
        The file.
    expected
        What it should be, for messages, such as "a Cellpose _seg.npy or a label array".

    Returns
    -------
    An array; or, of an array without axes that holds a single object, such as a dictionary, that object. Paths and
    dates in it are `Unread`.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It is damaged, or a pickle that names anything but arrays, numbers, plain containers, paths and dates. Nothing
        of it was run.
    """
    try:
        with file.open("rb") as handle:
            content = _content(handle, file)
    except FileNotFoundError as error:
        raise NotFoundError(f"{file}: no such file; expected {expected}") from error
    except NotData as error:
        raise InputError(
            f"{file}: names {_one_line(error)}, which is no data: the file was not read, and nothing in it was run; "
            f"expected {expected}"
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise InputError(f"{file}: not a readable .npy ({_one_line(error)}); expected {expected}") from error
    return (
        content.item() if isinstance(content, np.ndarray) and content.shape == () and content.dtype == "O" else content
    )


def _content(handle: Any, file: Path) -> Any:
    # The header tells whether the file is a plain array or a pickle, before anything of it is loaded.
    version = np.lib.format.read_magic(handle)  # type: ignore[no-untyped-call]
    one = version == (1, 0)
    header = np.lib.format.read_array_header_1_0 if one else np.lib.format.read_array_header_2_0
    _, _, dtype = header(handle)  # type: ignore[no-untyped-call]
    return _ArraysOnly(handle).load() if dtype.hasobject else np.load(file, allow_pickle=False)


def _one_line(error: Exception) -> str:
    return "".join(each for each in " ".join(str(error).split()) if each.isprintable()) or type(error).__name__
