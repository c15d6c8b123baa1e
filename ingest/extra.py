"""Libraries of the extras `formats` and `exchange`, imported only when a file needs one."""

from __future__ import annotations

from typing import Any

from calcigraph.late import extra_module


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
    return extra_module(name, f"{source}: {kind} are read", extra)
