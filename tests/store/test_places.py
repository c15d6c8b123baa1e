"""Places where a cell may have been missed, against images that are drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from calcigraph.store.places import open_border


def blocks(grid, size=20):
    return np.kron(np.array(grid, np.int32), np.ones((size, size), np.int32))


def test_the_outline_beside_a_missing_cell_is_its_length():
    labels = blocks([[1, 2, 3], [4, 0, 5], [6, 7, 8]])
    assert open_border(labels, 8, 400).tolist() == [0, 20, 0, 20, 20, 0, 20, 0]
    assert not open_border(np.where(labels == 0, 9, labels), 9, 400).any()


@pytest.mark.parametrize(
    ("rows", "columns", "counts"), [(9, 20, False), (20, 9, False), (20, 20, True), (12, 20, True)]
)
def test_a_place_holds_a_disc(rows, columns, counts):
    """A gap of 9 px holds no disc of 11 px, however long it is."""
    labels = blocks([[1, 1, 1], [2, 2, 2], [3, 3, 3]])
    labels[20 : 20 + rows, 20 : 20 + columns] = 0
    assert open_border(labels, 3, 400).any() == counts


def test_a_place_has_room_for_a_cell():
    labels = blocks([[1, 1, 1], [2, 2, 2], [3, 3, 3]])
    labels[22:36, 22:36] = 0  # 196 px: half of a cell of 392, a quarter of one of 784
    assert open_border(labels, 3, 392)[1] == 4 * 14
    assert not open_border(labels, 3, 784).any()


def test_the_end_of_the_tissue_is_no_missed_cell():
    labels = blocks([[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 0, 0]])
    # Four cells' worth of nothing above the tissue, two below.
    assert open_border(labels, 6, 400).tolist() == [0, 0, 20, 20, 0, 20]
