"""Coupling per contact: how fast two cells in contact even out, as edges of the contact graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from calcigraph.models.contacts import contact_weights, default_weights
from calcigraph.models.identify import NOT, WEAK
from calcigraph.pictures.canvas import (
    Map,
    colour_bar,
    legend_beneath,
    line_width,
    map_figure,
    mark_size,
    outline_cells,
    outline_paths,
    scale_bar,
    selected,
    view,
)
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.style import (
    DOUBLE,
    FAINT,
    INK,
    PALE,
    RASTERISE_ABOVE,
    SINGLE,
    SINGLED,
    Scaled,
    caption,
    limits,
    named_cells,
    page_width,
    scaled,
)
from calcigraph.store.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure
    from matplotlib.path import Path

HATCHES = {NOT: "//////", WEAK: "..."}
"""How cells are hatched whose coupling the data do not tell, or hardly."""
LINE = 0.16
"""Inches of a line of the legend."""
DASHED = (0, (1.6, 0.8))
"""Edges where the culture's own k is not identified."""
THIN, THICK = 0.4, 2.8
"""Points: the widths of edges."""


def draw_contacts(data: PictureData, frame: int, cells: tuple[int, ...]) -> Figure:
    """Each contact in the colour of k times its weight; those between border cells, which are not fitted, in grey."""
    paths = outline_paths(data)
    bounds = view(data, paths)
    handles = _handles(data, cells)
    lines = -(-len(handles) // 2)
    page = page_width(SINGLE if len(paths) < 250 else DOUBLE)
    figure, chart = map_figure(bounds, page, below=0.32 + LINE * lines)
    for word in ("", *HATCHES):
        _fill(chart, selected(paths, _cells_called(data.identified(), word)), HATCHES.get(word, ""), len(paths))
    rates = contact_rates(data)
    if len(rates):
        _edges(chart, data, rates)
    outline_cells(chart, data, paths, cells)
    scale_bar(chart, data.pixel_size_um)
    caption(figure, chart.left, page - 0.05, data.about(), data.about_fit())
    if handles:
        legend_beneath(chart, 2, handles)  # type: ignore[arg-type]
    return figure


def contact_rates(data: PictureData) -> FloatArray:
    """(m,), 1/s, k times the dimensionless weight of each contact; NaN between cells that were not fitted.

    Where the two cells of a contact have each a k of their own, it is their mean. The rate at which a cell evens out
    with one neighbour is this over its number of contacts.
    """
    graph = data.subgraph
    if not len(graph.pairs):
        return np.empty(0)
    weight, scale = contact_weights(graph, data.weights or default_weights(graph))
    k = data.values("k")
    k = np.where(np.isfinite(k), k, data.coupling()[0])
    if data.weight_scale is not None:
        # k times the weights is what acts, and old fits have another unit of the weights.
        k = k * scale / data.weight_scale
    ends = k[graph.pairs]
    known = np.isfinite(ends)
    mean = np.where(known, ends, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(known.any(axis=1), mean * weight, np.nan)


def _cells_called(words: Sequence[str], word: str) -> BoolArray:
    """(n,), which cells are hatched for this word; "" for those that are not hatched."""
    return np.array([each not in HATCHES if not word else each == word for each in words], dtype=np.bool_)


def _fill(chart: Map, paths: Sequence[Path], hatch: str, count: int) -> None:
    """Cells in white, or grey and hatched."""
    from matplotlib.collections import PathCollection

    if not paths:
        return
    cells = PathCollection(
        list(paths),
        facecolors=PALE if hatch else "white",
        edgecolors=FAINT,
        linewidths=line_width(chart, count),
        hatch=hatch or None,
        rasterized=count > RASTERISE_ABOVE,
    )
    chart.axes.add_collection(cells, autolim=False)


def _edges(chart: Map, data: PictureData, rates: FloatArray) -> None:
    """The contacts, coloured and as wide as their rate is large, with the colour bar."""
    import matplotlib
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    graph = data.subgraph
    spots = np.column_stack([graph.x_px, graph.y_px])[graph.pairs]
    known, scale = np.isfinite(rates), edge_scale(rates)
    widest = mark_size(data, chart, 0.16, 1.2 * THIN, THICK)
    rest = LineCollection(list(spots[~known]), colors=FAINT, linewidths=THIN, linestyles=":", zorder=2)
    chart.axes.add_collection(rest, autolim=False)
    if not known.any():
        return
    shown = scale.values[known]
    top = limits(np.append(shown, 0.0), 0, 98)[1]
    colours = LinearSegmentedColormap.from_list("more is darker", matplotlib.colormaps["plasma_r"](np.linspace(0.2, 1)))
    lines = LineCollection(
        list(spots[known]),
        cmap=colours,
        norm=Normalize(0.0, top if top > 0 else 1.0),
        linewidths=np.clip(widest * shown / top if top > 0 else 0 * shown, THIN, widest).tolist(),
        linestyles=DASHED if data.k_word == NOT else "-",
        zorder=3,
        capstyle="butt" if data.k_word == NOT else "round",
    )
    lines.set_array(shown)
    lines.set_rasterized(len(rates) > 10_000)
    chart.axes.add_collection(lines, autolim=False)
    colour_bar(chart, lines, shown, scale.label)


def edge_scale(rates: FloatArray) -> Scaled:
    """The rates in a unit that keeps numbers short."""
    return scaled(rates, "$k$ × weight", "s$^{-1}$")


def _handles(data: PictureData, cells: tuple[int, ...]) -> list[Artist]:
    """Legend entries for hatches, grey edges and chosen cells, as far as there are any."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    words = data.identified()
    handles: list[Artist] = [
        Patch(facecolor=PALE, edgecolor=FAINT, hatch=hatch, label=f"$k$ {word} ({words.count(word)})")
        for word, hatch in HATCHES.items()
        if word in words
    ]
    if data.k_word == NOT:
        handles.append(
            Line2D([], [], color=INK, linewidth=1.5, linestyle=DASHED, label="$k$ of the culture not identified")
        )
    fitted = np.isfinite(data.coupling()[0])
    if (~fitted[data.subgraph.pairs].any(axis=1)).any():
        handles.append(Line2D([], [], color=FAINT, linewidth=0.8, linestyle=":", label="not fitted"))
    if cells:
        handles.append(Line2D([], [], color=SINGLED, linewidth=1.3, label=named_cells(cells)))
    return handles
