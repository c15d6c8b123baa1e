"""The table of doubtful cells, through the graph, and the split, which no simulation makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from calcigraph import queries
from calcigraph.models import SyntheticOptions, make_culture
from calcigraph.queries.doubtful import COLUMNS, find_doubtful
from calcigraph.store.doubtful import doubtful_cells
from calcigraph.store.graph import Graph
from calcigraph.store.types import Cells, CultureData, Subgraph

SIZE = {"cells": 60, "frames": 60, "size_px": 384}


def stored(template: CultureData, graph: Subgraph, name: str) -> CultureData:
    """A culture to be stored, from what models read."""
    count, frames = graph.intensity.shape
    assert graph.area_px is not None
    cells = Cells(
        labels=graph.labels, area_px=graph.area_px, x_px=graph.x_px, y_px=graph.y_px, border=graph.border,
        polygons=(None,) * count, intensity=graph.intensity, flags=("",) * count, open_px=graph.open_px,
    )  # fmt: skip
    a, b = graph.labels[graph.pairs].T
    contacts = replace(
        template.contacts, label_a=a, label_b=b, shared_border_px=graph.shared_border_px,
        centroid_distance_px=graph.centroid_distance_px,
    )  # fmt: skip
    return CultureData(replace(template.culture, uid=name, input_digest=name, frames=frames), cells, contacts)


def with_a_split(seed: int) -> tuple[Subgraph, int, int]:
    """A culture in which one inner cell is cut in two, whose halves have its trace and noise of their own."""
    graph = make_culture(SyntheticOptions(seed=seed, **SIZE)).subgraph()
    assert graph.area_px is not None
    inner = np.flatnonzero(~graph.border)
    row = int(inner[np.argmin(np.abs(graph.area_px[inner] / np.median(graph.area_px) - 1))])
    new, half = int(graph.labels[-1]) + 1, graph.area_px.copy()
    half[row] /= 2
    noise = 0.002 * np.random.default_rng(seed).standard_normal((2, graph.intensity.shape[1]))
    traces = graph.intensity.copy()
    traces[row] += noise[0]
    return (
        replace(
            graph,
            labels=np.append(graph.labels, new),
            x_px=np.append(graph.x_px, graph.x_px[row]),
            y_px=np.append(graph.y_px, graph.y_px[row]),
            border=np.append(graph.border, False),
            area_px=np.append(half, half[row]),
            open_px=None if graph.open_px is None else np.append(graph.open_px, 0.0),
            intensity=np.vstack([traces, graph.intensity[row] + noise[1]]),
            pairs=np.vstack([graph.pairs, [row, len(graph.labels)]]),
            shared_border_px=np.append(graph.shared_border_px, 40.0),
            centroid_distance_px=np.append(graph.centroid_distance_px, 20.0),
        ),
        int(graph.labels[row]),
        new,
    )


def test_the_table_through_the_graph(empty: Graph, make_culture: Callable[..., CultureData]) -> None:
    from calcigraph.models import make_culture as simulate

    culture = simulate(SyntheticOptions(seed=1, missing=0.05, mask_merges=3, **SIZE))
    graph = culture.subgraph()
    empty.write_culture(stored(make_culture("template"), graph, "spoilt"))
    table = queries.run(empty, "doubtful", culture="spoilt")
    assert list(table.columns) == list(COLUMNS)
    read = queries.subgraph(empty, "spoilt")
    assert read.open_px is not None
    np.testing.assert_array_equal(read.open_px, graph.open_px)
    assert table.equals(find_doubtful(replace(graph, culture="spoilt")))
    assert set(table["label"]) == set(graph.labels[doubtful_cells(graph)].tolist())
    assert {"missing neighbour", "merged"} <= set(table["what"])
    assert table["uid"].tolist() == [f"spoilt:{label}" for label in table["label"]]
    row = table[table["what"] == "missing neighbour"].iloc[0]
    length = graph.open_px[graph.labels == row["label"]][0] if graph.open_px is not None else np.nan
    assert row["why"].startswith(f"{length:.0f} px of its outline (")
    merged = table[table["what"] == "merged"]
    assert (merged["label"] > culture.cells[-1]).all()
    area = graph.area_px[graph.labels == merged["label"].iloc[0]][0] / np.median(graph.area_px[~graph.border])  # type: ignore[index]
    assert merged["why"].iloc[0].startswith(f"its area is {area:.1f} times the median, and it has ")


def test_a_culture_without_lengths_has_no_missing_neighbours(
    empty: Graph, make_culture: Callable[..., CultureData]
) -> None:
    empty.write_culture(make_culture("plain", rows=6, columns=6))
    assert queries.subgraph(empty, "plain").open_px is None
    assert len(queries.run(empty, "doubtful", culture="plain")) == 0


@pytest.mark.parametrize("seed", range(6))
def test_both_halves_of_a_split_are_named(seed: int) -> None:
    graph, one, other = with_a_split(seed)
    table = find_doubtful(graph)
    split = table[table["what"] == "split"]
    assert split["label"].tolist() == [one, other]
    assert f"cell {other} together have 1.0 times the median area" in split["why"].iloc[0]


@pytest.mark.parametrize("seed", range(12))
def test_a_clean_culture_has_no_doubtful_cell(seed: int) -> None:
    assert len(find_doubtful(make_culture(SyntheticOptions(seed=seed, frames=60)).subgraph())) == 0
