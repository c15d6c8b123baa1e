"""Which cell a pixel belongs to, where regions overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcigraph.errors import InputError
from calcigraph.ingest.others.results import SPECK, Regions, regions_of


def regions(weights: np.ndarray) -> Regions:
    """From weights (n, Y, X)."""
    pixels = []
    for image in weights:
        y, x = np.nonzero(image)
        pixels.append((y, x, image[y, x]))
    return regions_of(weights.shape[1:], np.arange(1, len(weights) + 1), pixels)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(0, 1), st.booleans())
def test_every_pixel_is_of_the_cell_where_it_weighs_most(seed, cells, share, drawn):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0, 1, (cells, 9, 7)) * (rng.random((cells, 9, 7)) < 0.7) * rng.uniform(0.1, 50, (cells, 1, 1))
    weights = (weights > 0).astype(float) if drawn else weights
    weights[:, 0, :cells] += np.eye(cells)  # no cell without a pixel
    image, _ = regions(weights).label_image(share, "a file")
    ratio = weights / weights.max(axis=(1, 2), keepdims=True)
    size = (ratio >= max(share, 1e-300)).sum(axis=(1, 2))
    allowed = np.where(ratio >= max(share, 1e-300), ratio, -1.0)
    for y, x in np.ndindex(image.shape):
        best = allowed[:, y, x].max()
        among = np.flatnonzero((allowed[:, y, x] == best) & (best > 0))
        smallest = among[np.lexsort((among, size[among]))[:1]]
        # A piece that lies apart may have been left out.
        assert image[y, x] in {0, *(smallest + 1)}
        assert (image[y, x] > 0) <= (best > 0)
    left_out = (image == 0) & (allowed.max(axis=0) > 0)
    assert left_out.sum() <= SPECK * image.size


def test_weights_that_are_none_are_left_out():
    weights = np.zeros((1, 3, 3))
    weights[0, 0] = [1.0, np.nan, -2.0]
    image, notes = regions(weights).label_image(0.0, "a file")
    assert (image[0] == [1, 0, 0]).all()
    assert notes == ()


def test_small_pieces_apart_are_left_out_and_told():
    weights = np.zeros((1, 30, 30))
    weights[0, 2:14, 2:14] = weights[0, 25, 25] = 1
    image, notes = regions(weights).label_image(0.2, "a file")
    assert image.sum() == 144
    assert notes == ("masks: 1 small pieces that lie apart from the rest of their cell were left out",)


def test_pixels_outside_and_no_pixels_are_refused():
    far = regions_of((3, 3), np.array([4]), [(np.array([1]), np.array([3]), np.array([1.0]))])
    with pytest.raises(InputError, match="cell 4 has a pixel at row 1, column 3, but frames are 3 rows of 3"):
        far.label_image(0.2, "a file")
    with pytest.raises(InputError, match="none of its 1 cells has a pixel"):
        regions(np.zeros((1, 3, 3))).label_image(0.2, "a file")
