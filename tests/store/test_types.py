"""The paper's graph of a subgraph."""

from __future__ import annotations

from pathlib import Path

import networkx
import numpy as np

from calcigraph.store.types import Fit, Subgraph


def test_to_networkx_carries_intensity_border_and_distance() -> None:
    subgraph = Subgraph(
        culture="c",
        frame_interval_s=10.0,
        labels=np.array([3, 7]),
        x_px=np.array([1.0, 2.0]),
        y_px=np.array([5.0, 6.0]),
        border=np.array([True, False]),
        intensity=np.array([[0.1, 0.2], [0.3, 0.4]]),
        pairs=np.array([[0, 1]]),
        shared_border_px=np.array([np.nan]),
        centroid_distance_px=np.array([9.0]),
    )
    graph = subgraph.to_networkx(frame=1)
    assert graph.nodes[7] == {"intensity": 0.4, "x_px": 2.0, "y_px": 6.0, "border": False}
    assert graph.edges[3, 7] == {"centroid_distance_px": 9.0}


def test_graphs_without_borders_are_written_by_networkx(tmp_path: Path) -> None:
    """A None as a value of an edge stops GraphML, GEXF and GML."""
    two = np.array([1.0, 2.0])
    subgraph = Subgraph(
        culture="c",
        frame_interval_s=10.0,
        labels=np.array([3, 7]),
        x_px=two,
        y_px=two,
        border=two > 1,
        intensity=np.zeros((2, 2)),
        pairs=np.array([[0, 1]]),
        shared_border_px=np.array([np.nan]),
        centroid_distance_px=np.array([9.0]),
    )
    graph = subgraph.to_networkx()
    for kind in ("graphml", "gexf", "gml"):
        path = tmp_path / f"g.{kind}"
        getattr(networkx, f"write_{kind}")(graph, path)
        edge = next(iter(getattr(networkx, f"read_{kind}")(path).edges(data=True)))[2]
        assert edge["centroid_distance_px"] == 9.0


def test_a_fit_shows_itself_in_one_line() -> None:
    fit = Fit(
        culture="c",
        model="robust",
        case="per-cell",
        settings={},
        labels=np.arange(74),
        k=0.0110234,
        feed=0.0,
        cells={"k": np.zeros(74)},
        identified="identified",
    )
    assert repr(fit) == f"<Fit {fit.run}: k 0.01102 /s, identified, 74 cells>"
