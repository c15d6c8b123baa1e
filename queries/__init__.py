"""Questions to the graph: named queries, users' own Cypher, comparisons and pictures."""

from calcigraph.queries.compare import compare
from calcigraph.queries.library import Declared, Query, load, names
from calcigraph.queries.pictures import KINDS, draw
from calcigraph.queries.readonly import declared_parameters, parse_parameters, run_user
from calcigraph.queries.tables import records, rows, run, subgraph

__all__ = [
    "KINDS",
    "Declared",
    "Query",
    "compare",
    "declared_parameters",
    "draw",
    "load",
    "names",
    "parse_parameters",
    "records",
    "rows",
    "run",
    "run_user",
    "subgraph",
]
