"""Cultures that come as tables of traces."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcigraph.errors import InputError, NotFoundError
from calcigraph.ingest import traces_digest

DATA = Path(os.environ.get("CALCIGRAPH_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
GLAND = DATA / "lymph_gland"
RECORDINGS = sorted(path for path in GLAND.glob("*.csv") if path.name != "index.csv")


@pytest.mark.parametrize(
    ("style", "separator"), [("Mean_{}", ","), ("Mean{}", ","), ("Mean{}", ";"), ("Mean_{}", "\t")]
)
def test_traces_come_as_given(tables, tmp_path, style, separator):
    mean, x, y = tables.grid()
    data = tables.read(tables.table(tmp_path / "t.csv", mean, x, y, style=style, separator=separator))
    assert (data.cells.intensity == mean).all()
    assert (data.cells.x_px == np.median(x, axis=1)).all()
    assert (data.cells.y_px == np.median(y, axis=1)).all()
    assert data.cells.polygons == (None,) * 16
    assert np.isnan(data.cells.area_px).all()
    assert np.isnan(data.contacts.shared_border_px).all()
    culture = data.culture
    assert (culture.intensity_gain, culture.intensity_offset, culture.masks) == (1.0, 0.0, "traces")
    assert (culture.frames, culture.movie, culture.height_px, culture.warnings) == (20, None, None, ())
    assert not culture.complete


def test_labels_are_those_of_the_columns_sorted(tables, tmp_path):
    mean, x, y = tables.grid(side=2)
    data = tables.read(tables.table(tmp_path / "t.csv", mean, x, y, labels=[12, 3, 700, 4]))
    assert data.cells.labels.tolist() == [3, 4, 12, 700]
    assert (data.cells.intensity == mean[[1, 3, 0, 2]]).all()


def test_missing_means_are_interpolated_and_cells_with_too_many_left_out(tables, tmp_path):
    mean, x, y = tables.grid()
    mean[0, 5], mean[0, 6], mean[1, 0], mean[2, -1] = 0, np.nan, np.nan, 0
    mean[7, 3:6] = 0  # 15 %
    x[7, 3:6] = y[7, 3:6] = np.nan
    data = tables.read(tables.table(tmp_path / "t.csv", mean, x, y), zero_is_missing=True)
    assert 8 not in data.cells.labels
    assert data.culture.options["zero_is_missing"] is True
    assert data.culture.warnings == ("left out for having more than 10% of their frames missing: cells 8",)
    assert np.allclose(data.cells.intensity[0, 4:8], np.linspace(mean[0, 4], mean[0, 7], 4))
    assert data.cells.intensity[1, 0] == mean[1, 1]
    assert data.cells.intensity[2, -1] == mean[2, -2]
    assert data.cells.flags[:4] == ("2 frames interpolated", "1 frames interpolated", "1 frames interpolated", "")
    kept = tables.read(tmp_path / "t.csv", max_missing=0.15, zero_is_missing=True)
    assert 8 in kept.cells.labels
    assert np.isfinite(kept.cells.x_px).all()


def test_contacts_are_short_delaunay_edges_and_the_hull_is_the_border(tables, tmp_path):
    from scipy.spatial import ConvexHull, Delaunay, cKDTree

    mean, x, y = tables.grid(side=6)
    x[-1] += 30  # a cell far away keeps no contact
    data = tables.read(tables.table(tmp_path / "t.csv", mean, x, y))
    points = np.stack([np.median(x, axis=1), np.median(y, axis=1)], axis=1)
    limit = 2.5 * np.median(cKDTree(points).query(points, k=2)[0][:, 1])
    edges = {
        tuple(sorted((t[i], t[j]))) for t in Delaunay(points).simplices.tolist() for i, j in ((0, 1), (1, 2), (0, 2))
    }
    near = sorted((a + 1, b + 1) for a, b in edges if np.hypot(*(points[a] - points[b])) < limit)
    assert list(zip(data.contacts.label_a.tolist(), data.contacts.label_b.tolist(), strict=True)) == near
    assert set(np.flatnonzero(data.cells.border).tolist()) == set(ConvexHull(points).vertices.tolist())
    assert data.contacts.centroid_distance_px.max() < limit
    assert not {36} & set(data.contacts.label_b.tolist())
    assert len(tables.read(tmp_path / "t.csv", max_distance_px=1.0).contacts) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_cells_on_a_line(tables, tmp_path, count):
    mean = np.ones((count, 4))
    x = np.repeat(np.arange(count, dtype=float)[::-1, None] * 10, 4, axis=1)
    data = tables.read(tables.table(tmp_path / "t.csv", mean, x, 2 * x))
    assert len(data.contacts) == count - 1
    assert (np.diff(np.stack([data.contacts.label_a, data.contacts.label_b]), axis=0) == 1).all()
    assert data.cells.border.all()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(3, 30), st.integers(0, 2**32), st.booleans())
def test_contacts_are_sorted_unique_pairs_of_cells(tables, tmp_path, count, seed, integer):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 20, (2, count, 1)).repeat(3, axis=2)
    if integer:  # many points in the same place or in line
        x, y = x.round(-1), y.round(-1)
    data = tables.read(tables.table(tmp_path / "t.csv", np.ones((count, 3)), x, y))
    pairs = list(zip(data.contacts.label_a.tolist(), data.contacts.label_b.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert all(a < b for a, b in pairs)


def broken(tables, tmp_path, text, words, **options):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        tables.read(tmp_path / "t.csv", **options)
    assert "\n" not in str(caught.value)


def test_bad_tables_are_one_clear_line(tables, tmp_path):
    good = "Mean1,XM1,YM1\n1,2,3\n2,3,4\n"
    broken(tables, tmp_path, "", "no columns of traces")
    broken(
        tables,
        tmp_path,
        "a,b\n1,2\n3,4\n",
        "a column for each cell \\(a, b\\), but where the cells are is not known.*--positions",
    )
    broken(tables, tmp_path, "Mean1,XM1\n1,2\n1,2\n", "no column YM_1")
    broken(tables, tmp_path, "Mean1,Mean_1,XM1,YM1\n1,1,2,3\n1,1,2,3\n", "two columns")
    broken(tables, tmp_path, "Mean1,XM1,YM1\n1,2,3\n", "at least 2 rows")
    broken(tables, tmp_path, good + "1,2\n", "line 4 has 2 fields")
    broken(tables, tmp_path, good + "1,x,3\n", "line 4, column XM1: 'x' is not a number")
    broken(tables, tmp_path, good + "1,inf,3\n", "not a number")
    broken(tables, tmp_path, "Mean1,XM1,YM1\n0,2,3\nnan,3,4\n", "1 frames with a value; expected at least 2")
    broken(tables, tmp_path, "Mean1,XM1,YM1,Mean2,XM2,YM2\nna,2,3,4,5,6\n1,3,4,nan,5,6\n", "--max-missing")
    broken(tables, tmp_path, "Mean1,XM1,YM1\n1,,\n1,,\n", "no position")
    broken(tables, tmp_path, good, "--frame-interval", frame_interval_s=0)
    broken(tables, tmp_path, good, "--max-distance", max_distance_px=-1)
    broken(tables, tmp_path, good, "--max-missing", max_missing=2)
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00binary\x80")
    with pytest.raises(InputError, match="not a text file"):
        tables.read(tmp_path / "t.csv")
    with pytest.raises(NotFoundError, match="no such file"):
        tables.read(tmp_path / "missing.csv")


def test_the_digest_is_of_content_and_options(tables, tmp_path):
    path = tables.table(tmp_path / "t.csv", *tables.grid())
    other = str(Path(path).rename(tmp_path / "u.csv"))
    assert traces_digest(other, tables.chosen()) == tables.read(other).culture.input_digest
    for change in ({"frame_interval_s": 4.0}, {"max_missing": 0.2}, {"max_distance_px": 9.0}):
        assert traces_digest(other, tables.chosen(**change)) != traces_digest(other, tables.chosen())
    assert traces_digest(other, tables.chosen(condition="C")) == traces_digest(other, tables.chosen())


@pytest.mark.skipif(not RECORDINGS, reason=f"no recordings in {GLAND}")
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_every_lymph_gland_recording_comes_in(tables, path):
    with (GLAND / "index.csv").open() as handle:
        about = {row["recording"]: row for row in csv.DictReader(handle)}[path.name]
    data = tables.read(path, frame_interval_s=float(about["frame_interval_s"]), condition=about["condition"])
    assert data.culture.frames == len(path.read_text().splitlines()) - 1
    assert np.isfinite(data.cells.intensity).all()
    assert len(data.cells) > 20
    assert len(data.contacts) > len(data.cells)
    assert 3 <= data.cells.border.sum() < len(data.cells)
