"""Numbers in the names of files: order, gaps, signs, decimals, and folders that hold more than one movie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calcigraph.ingest.numbering import number


def numbered(pattern, values):
    shuffled = np.random.default_rng(0).permutation(len(values))
    return number([Path(pattern.format(*values[index])) for index in shuffled])


@pytest.mark.parametrize(
    "pattern",
    [
        "f{0:03d}.tif",
        "f{0}.tif",
        "F{0}.TIF",
        "f-{0}.tif",
        "{0}.png",
        "bé {0} (2).tif",
        "run2_t{0:04d}_z0_c1.ome.tif",
        "img_channel000_position000_time{0:09d}_z000.tif",
    ],
)
def test_frames_are_in_the_order_of_their_numbers(pattern):
    found = numbered(pattern, [(value,) for value in range(30)])
    assert [file.name for file in found.files] == [pattern.format(value) for value in range(30)]
    assert found.steps == tuple(range(30))
    assert (found.axes, found.double, found.missing) == ((), None, 0)


def test_gaps_are_counted():
    found = numbered("f{0:03d}.tif", [(value,) for value in range(20) if value not in (7, 8, 13)])
    assert found.missing == 3
    assert found.steps[6:8] == (6, 9)


def test_every_second_number_is_a_series_without_gaps():
    assert numbered("t{0}.tif", [(value,) for value in range(0, 40, 2)]).steps == tuple(range(20))


def test_signs_and_decimals():
    signed = numbered("f{0:+d}.tif", [(value,) for value in range(-5, 12)])
    assert [file.name for file in signed.files][:2] == ["f-5.tif", "f-4.tif"]
    decimal = numbered("{0:.1f}s.tif", [(value / 2,) for value in range(25)])
    assert [file.name for file in decimal.files][9:12] == ["4.5s.tif", "5.0s.tif", "5.5s.tif"]
    assert decimal.steps == tuple(range(25))


def test_numbers_that_go_together_are_one_axis():
    assert numbered("t{0}_of_20_run{1}.tif", [(value, 20 - value) for value in range(20)]).axes == ()


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("img_{0:09d}_Ch{1}_000.tif", ("img (25 values)", "Ch (2 values)")),
        ("img_channel{1:03d}_position000_time{0:09d}_z000.tif", ("channel (2 values)", "time (25 values)")),
        ("run_T{0:04d}_Z{1:02d}.tif", ("T (25 values)", "Z (2 values)")),
        ("B2_s1_w{1}_t{0}.TIF", ("w (2 values)", "t (25 values)")),
    ],
)
def test_several_movies_in_one_folder_are_seen(pattern, words):
    assert numbered(pattern, [(t, c) for t in range(25) for c in range(2)]).axes == words


def test_channels_that_have_names_are_seen():
    values = [(t, name) for t in range(25) for name in ("DAPI", "GCaMP")]
    found = numbered("img_{0:09d}_{1}_000.tif", values)
    assert found.axes == ("name (2 values: img_#_dapi_#, img_#_gcamp_#)",)


def test_a_missing_channel_of_one_time_point_does_not_hide_the_others():
    values = [(t, c) for t in range(25) for c in range(2) if (t, c) != (4, 1)]
    assert len(numbered("t{0}_c{1}.tif", values).axes) == 2


def test_one_number_twice():
    assert numbered("{0}.tif", [("f001",), ("f1",), ("f2",)]).double == ("f001.tif", "f1.tif")


def test_names_without_numbers_keep_their_alphabet():
    found = numbered("{0}.tif", [("b",), ("a",), ("c",)])
    assert [file.name for file in found.files] == ["a.tif", "b.tif", "c.tif"]
    assert (found.steps, found.axes) == (None, ())


def test_a_counter_through_all_files_does_not_hide_channels_and_planes():
    """As pymmcore-plus names them."""
    places = [(t, p, c, z) for t in range(5) for p in range(2) for c in range(2) for z in range(3)]
    rows = [(index, *place) for index, place in enumerate(places)]
    found = numbered("{0:05d}_t{1:04d}_p{2:03d}_c{3:02d}_z{4:03d}.tif", rows)
    assert found.axes == ("t (5 values)", "p (2 values)", "c (2 values)", "z (3 values)")
    one = numbered("{0:05d}_t{1:04d}_p{2:03d}_c{3:02d}_z{4:03d}.tif", [row for row in rows if row[2:] == (1, 0, 2)])
    assert (one.axes, one.steps) == ((), (0, 1, 2, 3, 4))


def test_a_counter_beside_a_time_of_day_is_one_movie():
    rows = [(index, 12, index // 6, index % 6 * 10) for index in range(60)]
    found = numbered("img{0:04d}_{1:02d}h{2:02d}m{3:02d}s.tif", rows)
    assert (found.axes, found.steps) == ((), tuple(range(60)))
