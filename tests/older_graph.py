"""A graph as an older calcigraph wrote it."""

from __future__ import annotations

from calcigraph.store.graph import Graph

NEW = ("setting_", "fact_", "option_", "tissue_", "light_", "weight", "name", "place")
"""What the names of properties begin with that schema version 1 did not have."""


def as_version_1(graph: Graph) -> None:
    """Take from the graph what its second version added."""
    graph.write("MATCH (m:Meta) DETACH DELETE m")
    for pattern in ("(n:Culture)", "(n:Cell)", "(n:FitRun)", "()-[n:ADJACENT]->()"):
        graph.write(f"MATCH {pattern} WHERE n.created IS NOT NULL SET n.created = toString(n.created)")
        keys = {key for row in graph.read(f"MATCH {pattern} RETURN keys(n) AS keys") for key in row["keys"]}
        nothing = {key: None for key in keys if key.startswith(NEW)}
        graph.write(f"MATCH {pattern} SET n += $nothing", nothing=nothing)
