"""Doubtful cells on the outlines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from calcigraph.pictures.data import PictureData
from calcigraph.pictures.maps import draw_outlines
from calcigraph.pictures.style import DOUBTFUL


def drawn(data: PictureData) -> int:
    """How many outlines have the colour of doubtful cells."""
    figure = draw_outlines(data, 0, ())
    lines = [each for each in figure.findobj(PathCollection) if isinstance(each, PathCollection)]
    return sum(
        len(each.get_paths())
        for each in lines
        if len(each.get_edgecolor()) and to_hex(each.get_edgecolor()[0]) == DOUBTFUL
    )


def test_doubtful_cells_have_a_colour_of_their_own(culture: PictureData) -> None:
    graph = culture.subgraph
    length = np.zeros(len(graph.labels))
    length[np.flatnonzero(~graph.border)[:3]] = 12.0
    before = drawn(replace(culture, subgraph=replace(graph, open_px=0 * length)))
    assert drawn(replace(culture, subgraph=replace(graph, open_px=length))) >= before + 2
