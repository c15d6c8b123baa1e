"""Names of a package that are imported when they are first asked for, so that a command starts without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def late_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562).

    Parameters
    ----------
    package
        Its full name.
    modules
        The names that each of its modules has, with spaces between them.

    Examples
    --------
    >>> late_names("calcigraph.models", {"consensus": "operator simulate"})("simulate").__module__
    'calcigraph.models.consensus'
    """
    where = {name: module for module, names in modules.items() for name in names.split()}

    def attribute(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{where[name]}"), name)

    return attribute
