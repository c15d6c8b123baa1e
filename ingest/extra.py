"""Libraries of the extras `formats` and `exchange`, imported only when a file needs one."""

from __future__ import annotations

import importlib
from typing import Any

from calcigraph.errors import MissingExtraError


def library(name: str, kind: str, source: str, extra: str = "formats") -> Any:
    """A module of an extra.

    Parameters
    ----------
    name
        As `import` takes it.
    kind
        What it reads, for the message, such as "ND2 files".
    source
        The file that needs it.
    extra
        The extra that it belongs to.

    Raises
    ------
    MissingExtraError
        It is not installed; the message has the install command.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        why = "which is not installed" if error.name == package else f"which cannot be loaded ({error})"
        raise MissingExtraError(
            f"{source}: {kind} are read with {package}, {why}: pip install 'calcigraph[{extra}]'"
        ) from error
