"""The extra `exchange`: the libraries of other programs' formats, imported only when a format needs them."""

from __future__ import annotations

from typing import Any

from calcigraph.late import extra_module


def exchange(module: str, what: str) -> Any:
    """A module of the extra.

    Parameters
    ----------
    module
        Such as "anndata".
    what
        What needs it, for the message.

    Raises
    ------
    MissingExtraError
        It is not installed; the message has the command that installs it.
    """
    return extra_module(module, f"{what} is made", "exchange")
