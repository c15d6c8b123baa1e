"""The extra `exchange`: the libraries of other programs' formats, imported only when a format needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from calcigraph.errors import MissingExtraError

_INSTALL = "pip install 'calcigraph[exchange]'"


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
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(f"{what} needs {module} ({error}): {_INSTALL}") from error
