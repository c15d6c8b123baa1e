"""calcigraph: from a calcium movie of a cell culture to a queried graph of cells, contacts and fitted coupling."""

from calcigraph.errors import CalcigraphError
from calcigraph.workspace import Workspace

__all__ = ["CalcigraphError", "Workspace", "__version__"]

__version__ = "0.1.0"
