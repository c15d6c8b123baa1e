"""calcigraph: from a calcium movie of a cell culture to a queried graph of cells, contacts and fitted coupling."""

from calcigraph.errors import CalcigraphError
from calcigraph.ingest.options import IngestOptions, TraceOptions
from calcigraph.models.event_options import EventOptions
from calcigraph.models.forecast_options import ForecastOptions
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.table import FitOptions
from calcigraph.version import __version__
from calcigraph.workspace import Workspace

__all__ = [
    "CalcigraphError",
    "EventOptions",
    "FitOptions",
    "ForecastOptions",
    "IngestOptions",
    "SyntheticOptions",
    "TraceOptions",
    "Workspace",
    "__version__",
]
