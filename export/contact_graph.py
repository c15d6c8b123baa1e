"""GraphML: cells and contacts with all that is known of them, for Cytoscape, Gephi, igraph and networkx."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.export.collected import Collected
from calcigraph.export.columns import Table
from calcigraph.export.provenance import about
from calcigraph.queries import records

if TYPE_CHECKING:
    import networkx


def write_graphml(found: Collected, path: Path) -> None:
    """Write a GraphML file: nodes are labels, with a `name`; what is not known is left out."""
    import networkx

    networkx.write_graphml(network(found), path)


def network(found: Collected) -> networkx.Graph[int]:
    """The cells and contacts of a culture with all that is known of them.

    Parameters
    ----------
    found
        The culture.

    Returns
    -------
    Nodes are labels, with the columns of `Collected.attributes`; edges are contacts, with their lengths and weights. An
    attribute that is not known is left out: GraphML has no word for it. The graph has the culture's own values.
    """
    import networkx

    graph: networkx.Graph[int] = networkx.Graph()
    graph.graph.update(_of_culture(found))
    for row in _rows(found.attributes):
        graph.add_node(row["label"], name=str(row["label"]), **row)
    for row in _rows(found.tables["contacts"]):
        graph.add_edge(row["label_a"], row["label_b"], interaction="touches", **row)
    return graph


def _rows(table: Table) -> list[dict[str, Any]]:
    """The rows without what is not known."""
    return [{name: value for name, value in row.items() if value is not None} for row in records(table.frame)]


def _of_culture(found: Collected) -> dict[str, Any]:
    """What is known of the culture, as single values."""
    values: dict[str, Any] = {}
    for name, value in about(found.culture).items():
        if name == "annotations" and isinstance(value, Mapping):
            values = {f"annotation_{key}": each for key, each in value.items()} | values
        elif isinstance(value, bool | int | float | str):
            values[name] = value
    return values
