"""calcigraph: from a calcium movie of a cell culture to a queried graph of cells, contacts and fitted coupling."""

from typing import TYPE_CHECKING, Any

from calcigraph.errors import CalcigraphError
from calcigraph.version import __version__
from calcigraph.workspace import Workspace

if TYPE_CHECKING:
    from calcigraph.ingest import IngestOptions
    from calcigraph.models import FitOptions, SyntheticOptions
    from calcigraph.queries import declared_parameters, load, names, parse_parameters, records

__all__ = [
    "CalcigraphError",
    "FitOptions",
    "IngestOptions",
    "SyntheticOptions",
    "Workspace",
    "__version__",
    "declared_parameters",
    "load",
    "names",
    "parse_parameters",
    "records",
]

_LATE = {
    "IngestOptions": "ingest",
    "FitOptions": "models",
    "SyntheticOptions": "models",
    **dict.fromkeys(("declared_parameters", "load", "names", "parse_parameters", "records"), "queries"),
}
"""Public names whose packages bring OpenCV, pandas or more: imported when first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'calcigraph' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"calcigraph.{_LATE[name]}"), name)
