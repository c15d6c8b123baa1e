"""Contacts, borders, insets and polygons against brute force."""

import itertools

import numpy as np
import pytest
import scipy.ndimage as ndi
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calcigraph.errors import InputError
from calcigraph.ingest.cells import compact, find_tissue, grow, outside_regions, shared_borders
from calcigraph.ingest.inset import NO_INSET, inner_pixels, trace_pixels
from calcigraph.ingest.polygons import outlines
from calcigraph.store.types import Masks

small = arrays(np.int32, st.tuples(st.integers(3, 12), st.integers(3, 12)), elements=st.integers(0, 4))
many = settings(max_examples=150, deadline=None)


def masks(labels):
    return Masks(np.asarray(labels, np.int32), "file:test", "0")


def blocks(size=30, rows=3, columns=3):
    """A confluent grid of square cells, labels 1.. row by row."""
    grid = np.arange(1, rows * columns + 1).reshape(rows, columns)
    return np.kron(grid, np.ones((size, size), int)).astype(np.int32)


@many
@given(small)
def test_shared_borders_equal_a_brute_force_count(labels):
    expected = {}
    height, width = labels.shape
    for y, x in itertools.product(range(height), range(width)):
        for dy, dx in ((0, 1), (1, 0)):
            if y + dy < height and x + dx < width:
                pair = sorted((labels[y, x], labels[y + dy, x + dx]))
                if pair[0] != pair[1] and pair[0] > 0:
                    expected[tuple(int(i) - 1 for i in pair)] = expected.get(tuple(int(i) - 1 for i in pair), 0) + 1
    a, b, lengths = shared_borders(labels)
    assert dict(zip(zip(a.tolist(), b.tolist(), strict=True), lengths.tolist(), strict=True)) == expected


@many
@given(small)
def test_outlines_are_valid_and_cover_exactly_the_pixels(labels):
    texts = outlines(labels, 4)
    for cell in range(1, 5):
        inside = labels == cell
        if not inside.any():
            continue
        shape = shapely.from_wkt(texts[cell - 1])
        assert shape.is_valid
        assert shape.area == inside.sum()
        _, count = ndi.label(inside)
        assert (shape.geom_type == "Polygon") == (count == 1)
        y, x = np.indices(labels.shape) + 0.5
        assert (shapely.contains_xy(shape, x, y) == inside).all()
        assert shapely.get_num_geometries(shape) == count


def test_outlines_of_rings_in_rings_keep_their_holes():
    labels = np.zeros((9, 9), np.int32)
    labels[0:9, 0:9], labels[1:8, 1:8], labels[2:7, 2:7], labels[3:6, 3:6] = 1, 0, 1, 0
    shape = shapely.from_wkt(outlines(labels, 1)[0])
    assert shape.is_valid
    assert shape.area == (labels == 1).sum()
    assert sorted(len(piece.interiors) for piece in shape.geoms) == [1, 1]


def test_outline_of_one_pixel():
    assert shapely.from_wkt(outlines(np.array([[0, 1]], np.int32), 1)[0]).equals(shapely.box(1, 0, 2, 1))


@many
@given(small, st.integers(0, 3))
def test_inset_equals_brute_force(labels, inset):
    height, width = labels.shape
    expected = np.zeros(labels.shape, bool)
    for y, x in itertools.product(range(height), range(width)):
        square = labels[max(0, y - inset) : y + inset + 1, max(0, x - inset) : x + inset + 1]
        expected[y, x] = labels[y, x] > 0 and (square == labels[y, x]).all()
    assert (inner_pixels(labels, inset) == expected).all()


def test_cells_left_with_under_50_px_keep_all_and_are_flagged():
    labels = np.zeros((40, 40), np.int32)
    labels[2:11, 2:11] = 1  # 81 px, 49 after the inset
    labels[2:11, 20:30] = 2  # 90 px, 56 after it
    pixels = trace_pixels(labels, 2, 1)
    assert pixels.flags == (NO_INSET, "")
    assert pixels.counts.tolist() == [81, 56]
    assert trace_pixels(labels, 2, 0).flags == ("", "")


@many
@given(small, st.integers(1, 4))
def test_growth_goes_to_the_nearest_label_and_keeps_what_is_there(labels, distance):
    grown = grow(labels, distance)
    assert (grown[labels > 0] == labels[labels > 0]).all()
    if not (labels > 0).any():
        assert not grown.any()
        return
    far = [np.where((labels == i).any(), ndi.distance_transform_edt(labels != i), np.inf) for i in range(1, 5)]
    nearest = np.min(far, axis=0)
    assert ((grown > 0) == (nearest <= distance)).all()
    y, x = np.nonzero(grown)
    assert np.allclose(np.array(far)[grown[y, x] - 1, y, x], nearest[y, x])


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(4, 40), st.integers(4, 40)), elements=st.integers(0, 1)), st.integers(1, 9)
)
def test_outside_regions_equal_brute_force(seed, scale):
    empty = np.kron(seed, np.ones((scale, scale), np.uint8))[:40, :40].astype(bool)
    disc = np.hypot(*np.mgrid[-5:6, -5:6]) <= 5
    regions, count = ndi.label(empty)
    expected = np.zeros(empty.shape, bool)
    for region in range(1, count + 1):
        here = regions == region
        edge = here[0].any() or here[-1].any() or here[:, 0].any() or here[:, -1].any()
        expected |= here & (edge and ndi.binary_erosion(here, disc, border_value=0).any())
    assert (outside_regions(empty) == expected).all()


@many
@given(arrays(np.int32, (5, 7), elements=st.sampled_from([0, 1, 7, 100, 2**31 - 1])))
def test_compact_keeps_the_labels(labels):
    if not labels.any():
        return
    values, image = compact(labels)
    assert values.tolist() == sorted(set(labels[labels > 0].tolist()))
    assert (np.concatenate([[0], values])[image] == labels).all()


def test_confluent_grid_has_one_inner_cell():
    tissue = find_tissue(masks(blocks()))
    assert tissue.border.tolist() == [True] * 4 + [False] + [True] * 4
    assert len(tissue.contacts) == 12
    assert set(tissue.contacts.shared_border_px) == {30}
    assert np.allclose(tissue.contacts.centroid_distance_px, 30)
    assert (tissue.x_px[4], tissue.y_px[4]) == (44.5, 44.5)
    assert tissue.area_px.tolist() == [900] * 9


def test_a_dropped_cell_makes_its_neighbours_border_cells():
    labels = blocks(rows=5, columns=5)
    inner = {7, 8, 9, 12, 13, 14, 17, 18, 19}
    labels[60:90, 60:90] = np.where(np.indices((30, 30))[0] < 10, 13, 0)  # cell 13 keeps 300 px
    tissue = find_tissue(masks(labels))
    assert 13 not in tissue.labels
    assert set(tissue.labels[~tissue.border].tolist()) == inner - {13, 8, 12, 14}


def test_a_hole_inside_makes_no_border_but_a_bay_does():
    labels = blocks(rows=5, columns=5)
    labels[60:90, 60:90] = 0  # a hole of a whole cell, closed
    tissue = find_tissue(masks(labels))
    assert not tissue.border[tissue.labels == 12]
    labels[0:60, 70:82] = 0  # open it to the edge by a wide channel
    tissue = find_tissue(masks(labels))
    assert tissue.border[np.isin(tissue.labels, [12, 14, 18])].all()


def test_a_narrow_crack_to_the_edge_makes_no_border():
    labels = blocks(rows=5, columns=5)
    labels[0:75, 73:77] = 0
    tissue = find_tissue(masks(labels))
    assert not tissue.border[tissue.labels == 13]


@pytest.mark.parametrize(
    ("gap", "max_gap", "touch"), [(4, 4, True), (3, 4, True), (5, 4, False), (1, 0, False), (1, 1, True)]
)
def test_gaps_up_to_max_gap_are_closed(gap, max_gap, touch):
    labels = np.zeros((30, 60 + gap), np.int32)
    labels[:, :30], labels[:, 30 + gap :] = 1, 2
    tissue = find_tissue(masks(labels), max_gap=max_gap)
    assert len(tissue.contacts) == touch
    assert tissue.area_px.tolist() == [900, 900]


def test_contacts_shorter_than_min_border_are_left_out():
    labels = np.zeros((60, 60), np.int32)
    labels[:30, :30], labels[26:56, 30:] = 1, 2
    assert len(find_tissue(masks(labels), min_border=4).contacts) == 1
    assert len(find_tissue(masks(labels), min_border=5).contacts) == 0


def test_no_cell_large_enough_is_one_clear_line():
    with pytest.raises(InputError, match="--min-area"):
        find_tissue(masks(blocks(size=10)))


def test_labels_are_never_renumbered():
    labels = np.array([0, 40, 7, 2**31 - 1], np.int32)[np.kron([[1, 2], [3, 1]], np.ones((30, 30), int))]
    tissue = find_tissue(masks(labels))
    assert tissue.labels.tolist() == [7, 40, 2**31 - 1]
    assert tissue.area_px.tolist() == [900, 1800, 900]


@pytest.mark.parametrize("erosion", [0, 3])
def test_missing_neighbours_are_found_as_the_simulation_has_them_also_between_eroded_masks(erosion):
    from calcigraph.ingest.found_cells import find_in, measure
    from calcigraph.ingest.options import IngestOptions
    from calcigraph.models import SyntheticOptions, make_culture

    usual = SyntheticOptions(cells=60, frames=2, size_px=384, mask_erosion=erosion)
    options = IngestOptions(masks="masks.tif", min_area=100)
    whole = find_in(measure(masks(make_culture(usual).masks), options), options).tissue
    assert not whole.open_px.any()
    culture = make_culture(
        SyntheticOptions(cells=60, frames=2, size_px=384, mask_erosion=erosion, missing=0.05, seed=1)
    )
    tissue = find_in(measure(masks(culture.masks), options), options).tissue
    truth = culture.subgraph()
    assert tissue.labels.tolist() == truth.labels.tolist()
    if erosion == 0:
        np.testing.assert_array_equal(tissue.open_px, truth.open_px)
    wrong = (tissue.open_px >= 5) != (truth.open_px >= 5)
    assert wrong.sum() <= 1
    assert (truth.open_px >= 5).sum() > 10
