"""Questions to the graph: named queries, users' own Cypher, and comparisons."""

from calcigraph.queries.compare import compare_cultures
from calcigraph.queries.experiments import cultures_of
from calcigraph.queries.library import Declared, Query, load, names, require_culture, unknown_culture
from calcigraph.queries.readonly import declared_parameters, parse_parameters, run_user
from calcigraph.queries.tables import records, rows, run, subgraph
from calcigraph.queries.written import written_parameters

__all__ = [
    "Declared",
    "Query",
    "compare_cultures",
    "cultures_of",
    "declared_parameters",
    "load",
    "names",
    "parse_parameters",
    "records",
    "require_culture",
    "rows",
    "run",
    "run_user",
    "subgraph",
    "unknown_culture",
    "written_parameters",
]
