"""The paper's graph of a subgraph."""

from __future__ import annotations

import numpy as np

from calcigraph.store.types import Subgraph


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
    assert graph.edges[3, 7] == {"shared_border_px": None, "centroid_distance_px": 9.0}
