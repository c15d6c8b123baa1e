"""Contacts have the colour of k times their weight; the raster has every value in its row and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from legible import assert_legible
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from calcigraph.errors import InputError
from calcigraph.models.contacts import contact_weights
from calcigraph.pictures import contact_map
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.render import draw
from calcigraph.store.types import FloatArray

Texts = Callable[[Figure], set[str]]


def edges(figure: Figure) -> dict[tuple[float, float, float, float], float]:
    """The value of each coloured edge by its ends."""
    (lines,) = (
        each for each in figure.axes[0].collections if isinstance(each, LineCollection) and each.get_array() is not None
    )
    return {tuple(np.ravel(ends)): value for ends, value in zip(lines.get_segments(), lines.get_array(), strict=True)}


def shared(data: PictureData, k: float = 0.02) -> PictureData:
    """The same culture with one k for all inner cells."""
    return replace(data, cells=data.cells | {"crlsm_k": np.where(data.subgraph.border, np.nan, k)})


def test_an_edge_has_k_times_the_weight_of_its_contact(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    data = replace(shared(culture), weights="border")
    graph = data.subgraph
    drawn = edges(figure_of("contacts", data))
    weight = contact_weights(graph, "border")[0]
    fitted = ~graph.border[graph.pairs].all(axis=1)
    assert len(drawn) == int(fitted.sum())
    for (a, b), value in zip(graph.pairs[fitted], weight[fitted], strict=True):
        ends = (graph.x_px[a], graph.y_px[a], graph.x_px[b], graph.y_px[b])
        assert drawn[ends] == pytest.approx(0.02 * value * 100, rel=1e-9)
    inner = ~graph.border[graph.pairs].any(axis=1)
    assert np.mean(contact_map.contact_rates(data)[inner]) == pytest.approx(0.02)


def test_cells_with_a_k_each_give_their_mean_and_an_old_unit_is_undone(culture: PictureData) -> None:
    graph = culture.subgraph
    weight, scale = contact_weights(graph, "distance*border")
    own = culture.values("k_cell")[graph.pairs]
    rates = contact_map.contact_rates(culture)
    np.testing.assert_allclose(rates, np.nanmean(np.where(np.isnan(own).all(1)[:, None], 0, own), axis=1) * weight
                               + np.where(np.isnan(own).all(1), np.nan, 0))  # fmt: skip
    old = contact_map.contact_rates(replace(culture, weight_scale=2 * scale))
    np.testing.assert_allclose(old, rates / 2)


def test_cells_whose_k_is_not_told_are_hatched(
    culture: PictureData, figure_of: Callable[..., Figure], texts: Texts
) -> None:
    words = ["not identified" if row < 3 else "weak" if row < 5 else "identified" for row in range(40)]
    data = replace(shared(culture), words=culture.words | {"crlsm_identified": tuple(words)})
    figure = figure_of("contacts", data)
    hatched = {
        each.get_hatch(): len(each.get_paths())
        for each in figure.axes[0].collections
        if isinstance(each, PathCollection) and each.get_hatch()
    }
    assert hatched == {contact_map.HATCHES["not identified"]: 3, contact_map.HATCHES["weak"]: 2}
    assert {"$k$ not identified (3)", "$k$ weak (2)", "not fitted", "$k$ × weight ($10^{-2}$ s$^{-1}$)"} <= texts(
        figure
    )
    lost = figure_of("contacts", replace(data, k_word="not identified"))
    assert "$k$ of the culture not identified" in texts(lost)
    assert_legible(lost)


def image(figure: Figure) -> FloatArray:
    return np.asarray(figure.axes[0].images[0].get_array())


def test_the_raster_has_each_cell_in_its_row(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    graph = replace(culture.subgraph, x_px=10 * culture.subgraph.x_px)
    figure = figure_of("raster", replace(culture, subgraph=graph))
    assert image(figure).shape == (40, 91)
    order = np.argsort(graph.x_px)
    assert np.corrcoef(image(figure)[:, 40], graph.intensity[order, 40])[0, 1] > 0.5
    assert sorted(image(figure)[:, 7]) == pytest.approx(sorted(graph.intensity[:, 7]))
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    assert (left, right, bottom, top) == pytest.approx((-5 / 60, 905 / 60, -0.5, 39.5))
    assert figure.axes[1].get_ylabel() == "normalised intensity"


def test_frames_that_are_missing_are_gaps(culture: PictureData, figure_of: Callable[..., Figure]) -> None:
    kept = np.delete(np.arange(91), [40, 41])
    graph = replace(culture.subgraph, intensity=culture.subgraph.intensity[:, kept], time_s=10.0 * kept)
    drawn = image(figure_of("raster", replace(culture, subgraph=graph, traces={}, network={})))
    assert drawn.shape == (40, 91)
    assert np.flatnonzero(np.ma.getmaskarray(np.ma.masked_invalid(drawn)).all(axis=0)).tolist() == [40, 41]


def test_dff_is_light_over_that_at_rest(
    culture: PictureData, figure_of: Callable[..., Figure], tmp_path: Path, from_traces: Callable[..., PictureData]
) -> None:
    light = 100 * (1 + np.where(np.arange(91) == 50, 1.5, 0.0)) * np.linspace(1, 2, 40)[:, None]
    gain, offset = 0.5, 1.0
    graph = replace(
        culture.subgraph,
        intensity=gain * (np.log(light + 1) - offset),
        intensity_gain=gain,
        intensity_offset=offset,
    )
    figure = figure_of("raster", replace(culture, subgraph=graph, dff=True))
    np.testing.assert_allclose(image(figure)[:, 50], 1.5, rtol=1e-9)
    np.testing.assert_allclose(image(figure)[:, 49], 0.0, atol=1e-9)
    assert figure.axes[1].get_ylabel() == r"$\Delta F/F_0$"
    plain = from_traces(
        replace(culture, subgraph=replace(culture.subgraph, intensity=light - 150), traces={}, dff=True)
    )
    with pytest.raises(InputError, match="has no dF/F0: 20 of its cells have no light above 0 at rest"):
        draw("raster", plain, tmp_path / "a.png")
    with pytest.raises(InputError, match="--dff is for raster, not for cells: leave it out"):
        draw("cells", replace(culture, dff=True), tmp_path / "a.png")
