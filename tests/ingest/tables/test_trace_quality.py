"""Zeros, places and traces that may be wrong in a table, and the contacts of cells at one place."""

import numpy as np
import pytest

from calcigraph.ingest import traces_digest


def pairs(data):
    return set(zip(data.contacts.label_a.tolist(), data.contacts.label_b.tolist(), strict=True))


def test_zero_is_a_value(tables, tmp_path):
    mean, x, y = tables.grid()
    mean = (mean - mean.mean()).round(0)
    plus = tables.read(tables.table(tmp_path / "b.csv", mean + 1, x, y))
    data = tables.read(tables.table(tmp_path / "a.csv", mean, x, y))
    assert (mean == 0).sum() > 3
    assert (data.cells.intensity == mean).all()
    assert (plus.cells.intensity == mean + 1).all()
    assert data.cells.flags == ("",) * 16
    assert data.culture.warnings == ()


@pytest.mark.parametrize("place", [0.0, np.nan])
def test_a_zero_without_a_place_is_missing(tables, tmp_path, place):
    mean, x, y = tables.grid()
    for values in (mean, x, y):
        values[3, 5] = 0 if values is mean else place
    data = tables.read(tables.table(tmp_path / "t.csv", mean, x, y))
    assert data.cells.intensity[3, 5] == pytest.approx((mean[3, 4] + mean[3, 6]) / 2)
    assert data.cells.x_px[3] == np.median(np.delete(x[3], 5))
    assert bool(data.culture.warnings) == (place == 0)
    if place == 0:
        assert data.culture.warnings == (
            "zeros: 1 values are 0 at the position 0, 0, where no cell is; they were taken as missing",
        )


def test_zeros_that_look_like_gaps_are_told(tables, tmp_path):
    mean, x, y = tables.grid()
    mean = mean / 100 + 50
    mean[2, 4:6] = 0
    path = tables.table(tmp_path / "t.csv", mean, x, y)
    warning = tables.read(path).culture.warnings[0]
    assert warning.startswith("zeros: 2 values are exactly 0, far below all others of their cell (cells 3)")
    assert "--zero-is-missing" in warning
    taken = tables.read(path, zero_is_missing=True)
    assert taken.culture.warnings == ()
    assert taken.cells.flags[2] == "2 frames interpolated"
    assert traces_digest(path, tables.chosen()) != traces_digest(path, tables.chosen(zero_is_missing=True))


def test_cells_at_one_place_have_its_contacts_and_each_other(tables, tmp_path):
    mean, x, y = tables.grid()
    alone = tables.read(tables.table(tmp_path / "t.csv", np.delete(mean, 6, 0), np.delete(x, 6, 0), np.delete(y, 6, 0),
                       labels=[i for i in range(1, 17) if i != 7]))  # fmt: skip
    x[6], y[6] = x[5], y[5]
    data = tables.read(tables.table(tmp_path / "t.csv", mean, x, y))
    of_place = {tuple(sorted((7 if i == 6 else i, 7 if j == 6 else j))) for i, j in pairs(alone) if 6 in (i, j)}
    assert pairs(data) == pairs(alone) | of_place | {(6, 7)}
    assert sorted(pairs(data)) == list(zip(data.contacts.label_a, data.contacts.label_b, strict=True))
    assert data.contacts.centroid_distance_px.min() == 0
    assert data.culture.warnings == (
        "positions: at one place are cells 6 and 7: each has the contacts of the place, and the others'",
    )


def test_all_cells_at_one_place_or_two(tables, tmp_path):
    mean, x, y = tables.grid(side=2)
    assert pairs(tables.read(tables.table(tmp_path / "t.csv", mean, 0 * x + 3, 0 * y + 3))) == {
        (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4),
    }  # fmt: skip
    x = np.array([1.0, 1.0, 9.0, 9.0])[:, None] + 0 * x
    assert len(pairs(tables.read(tables.table(tmp_path / "t.csv", mean, x, 0 * y)))) == 6


def test_both_cells_of_a_corner_are_at_the_border(tables, tmp_path):
    mean, x, y = tables.grid()
    x[5], y[5] = x[0], y[0]
    border = tables.read(tables.table(tmp_path / "t.csv", mean, x, y)).cells.border
    assert border[0]
    assert border[5]


def test_constant_and_equal_traces_are_named(tables, tmp_path):
    mean, x, y = tables.grid()
    mean[3], mean[5], mean[9], mean[12] = 7.0, mean[8], mean[8], 7.0
    data = tables.read(tables.table(tmp_path / "t.csv", mean, x, y))
    assert data.culture.warnings == (
        "traces: constant in cells 4, 13: they tell nothing",
        "traces: the same in cells 6 and 9 and 10: one cell twice?",
    )
