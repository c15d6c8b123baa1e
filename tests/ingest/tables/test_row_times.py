"""Rows of a table in time: sorted, once each, with gaps that are kept; contradictions are refused."""

import numpy as np
import pytest

from calcigraph.errors import InputError
from calcigraph.ingest.row_times import time_column

FRAMES = 20


def timed(tables, path, name, times, mean=None, order=None, extra=None):
    """A table whose first column is a time."""
    mean, x, y = (mean, *tables.grid(frames=len(times))[1:]) if mean is not None else tables.grid(frames=len(times))
    lines = [",".join([name, *(f"{kind}{i + 1}" for i in range(len(mean)) for kind in ("Mean", "XM", "YM"))])]
    rows = [
        ",".join([str(time), *(str(float(v[i, t])) for i in range(len(mean)) for v in (mean, x, y))])
        for t, time in enumerate(times)
    ]
    lines += [rows[t] for t in (range(len(rows)) if order is None else order)]
    path.write_text("\n".join(extra(lines) if extra else lines) + "\n")
    return mean


@pytest.mark.parametrize(
    ("name", "counts", "unit"),
    [
        ("Frame", True, None),
        ("frame", True, None),
        ("FRAME", True, None),
        ("Frame_Number", True, None),
        ("frameNo.", True, None),
        ("Slice", True, None),
        ("Time point", True, None),
        ("TimePoint", True, None),
        ("Frame #", True, None),
        ("T", False, None),
        ("Time", False, None),
        ("time_s", False, 1.0),
        ("Time (sec)", False, 1.0),
        ("Time [ms]", False, 1e-3),
        ("Time/min", False, 60.0),
        ("TIME, h", False, 3600.0),
        ("t(s)", False, 1.0),
        ("ElapsedTime-ms", False, 1e-3),
        ("Elapsed time [\u00b5s]", False, 1e-6),
        ("Acquisition Time (seconds)", False, 1.0),
        ("seconds", False, 1.0),
        ("ms", False, 1e-3),
        ("POSITION_T", False, None),
        ("deltaT [s]", False, 1.0),
        ("Frame time (s)", False, 1.0),
    ],
)
def test_columns_that_tell_the_time(name, counts, unit):
    column = time_column(0, name)
    assert column is not None
    assert (column.counts, column.unit_s) == (counts, unit)


@pytest.mark.parametrize(
    "name", [" ", "", "Mean_all", "Index", "Min", "Area", "Label", "X", "Mean time", "Exposure time [ms]", "T2", "No."]
)
def test_columns_that_do_not(name):
    assert time_column(0, name) is None


@pytest.mark.parametrize("name", ["Frame", "Slice", "Time_s", "Time"])
def test_rows_are_sorted(tables, tmp_path, name):
    times = np.arange(1, FRAMES + 1) if name in ("Frame", "Slice") else 5.0 * np.arange(FRAMES)
    order = sorted(range(FRAMES), key=lambda t: str(t + 1))
    mean = timed(tables, tmp_path / "t.csv", name, times, order=order)
    data = tables.read(tmp_path / "t.csv")
    assert (data.cells.intensity == mean).all()
    assert data.culture.time_s is None
    assert data.culture.warnings == (f"rows: they were not in the order of column {name} and were sorted by it",)


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("Time_s", 5.0 * np.arange(FRAMES)),
        ("Time [ms]", 5000 * np.arange(FRAMES)),
        ("t (min)", np.arange(FRAMES) / 12),
        ("Time", [f"0:{t // 12:02d}:{5 * t % 60:02d}" for t in range(FRAMES)]),
        ("Timestamp", [f"2024-03-15T23:59:{30 + 5 * t:02d}" if t < 6 else f"2024-03-16 00:00:{5 * t - 30:02d}"
                       for t in range(17)]),
        ("Time", [f"23:59:{30 + 5 * t:02d}" if t < 6 else f"00:00:{5 * t - 30:02d}" for t in range(17)]),
    ],
)  # fmt: skip
def test_the_interval_may_come_from_the_table(tables, tmp_path, name, times):
    mean = timed(tables, tmp_path / "t.csv", name, times)
    data = tables.read(tmp_path / "t.csv", frame_interval_s=None)
    assert data.culture.frame_interval_s == pytest.approx(5.0)
    assert data.culture.time_s is None
    assert (data.cells.intensity == mean).all()
    assert tables.read(tmp_path / "t.csv").culture.frame_interval_s == 5.0


def test_a_time_without_a_unit_needs_the_interval(tables, tmp_path):
    timed(tables, tmp_path / "t.csv", "Time", np.arange(FRAMES) / 12)
    with pytest.raises(InputError, match=r"Time has no unit; .* Time_s, or give --frame-interval"):
        tables.read(tmp_path / "t.csv", frame_interval_s=None)
    assert tables.read(tmp_path / "t.csv").culture.warnings == (
        "time: column Time names no unit; min is what agrees with --frame-interval",
    )
    timed(tables, tmp_path / "t.csv", "Frame", np.arange(FRAMES))
    with pytest.raises(InputError, match="give --frame-interval in seconds"):
        tables.read(tmp_path / "t.csv", frame_interval_s=None)


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("Frame", [1, 2, 3, 5, 6, 10, 11, 12]),
        ("T", [0, 1, 2, 4, 5, 9, 10, 11]),
        ("Time_s", [0, 5, 10, 20, 25, 45, 50, 55]),
    ],
)
def test_gaps_are_kept_and_told(tables, tmp_path, name, times):
    mean = timed(tables, tmp_path / "t.csv", name, times)
    data = tables.read(tmp_path / "t.csv")
    assert data.culture.time_s == pytest.approx((0, 5, 10, 20, 25, 45, 50, 55))
    assert (data.cells.intensity == mean).all()
    assert any("2 of 7 steps differ from the usual 5 s" in warning for warning in data.culture.warnings)
    assert any("they run from 5 to 20 s" in warning for warning in data.culture.warnings)


def test_every_other_frame_is_even(tables, tmp_path):
    timed(tables, tmp_path / "t.csv", "Slice", 1 + 2 * np.arange(FRAMES))
    culture = tables.read(tmp_path / "t.csv").culture
    assert (culture.time_s, culture.frame_interval_s) == (None, 5.0)
    assert culture.warnings == ("time: column Slice counts in steps of 2; the interval is taken as that of two rows",)


@pytest.mark.parametrize("name", ["Time_s", "Time [ms]", "Time"])
def test_a_time_that_contradicts_the_interval_is_refused_unless_trusted(tables, tmp_path, name):
    timed(tables, tmp_path / "t.csv", name, 20.0 * np.arange(FRAMES) * (1000 if "ms" in name else 1))
    with pytest.raises(InputError, match=r"frames are 20 s apart \(column Time.*--frame-interval says 5 s"):
        tables.read(tmp_path / "t.csv")
    culture = tables.read(tmp_path / "t.csv", trust_interval=True).culture
    assert (culture.frame_interval_s, culture.time_s) == (5.0, None)
    assert any("20 s a frame; 5 s was trusted instead" in warning for warning in culture.warnings)
    assert culture.options["trust_interval"] is True


def test_there_must_be_an_interval_to_trust(tables, tmp_path):
    timed(tables, tmp_path / "t.csv", "Time_s", 5 * np.arange(FRAMES))
    with pytest.raises(InputError, match="--trust-interval goes with --frame-interval"):
        tables.read(tmp_path / "t.csv", frame_interval_s=None, trust_interval=True)


@pytest.mark.parametrize("name", ["Frame", "Time_s"])
def test_a_row_that_comes_twice_is_kept_once(tables, tmp_path, name):
    mean = timed(
        tables,
        tmp_path / "t.csv",
        name,
        np.arange(FRAMES) * (5 if name == "Time_s" else 1),
        extra=lambda lines: [*lines, lines[3], lines[7]],
    )
    data = tables.read(tmp_path / "t.csv")
    assert (data.cells.intensity == mean).all()
    assert f"rows: 2 of 22 are copies of another row of the same {name} and were left out (lines 22, 23)" in (
        data.culture.warnings
    )


def test_two_rows_of_one_frame_that_differ_are_refused(tables, tmp_path):
    timed(tables, tmp_path / "t.csv", "Frame", [1, 2, 3, 3, 4])
    with pytest.raises(InputError, match="lines 4 and 5 are both of Frame 3, but differ: give one recording a file"):
        tables.read(tmp_path / "t.csv")


def test_two_tables_in_one_file(tables, tmp_path):
    def joined(lines):
        return [*lines[:9], lines[0], *lines[9:]]

    mean = timed(tables, tmp_path / "t.csv", "Frame", np.arange(FRAMES), extra=joined)
    data = tables.read(tmp_path / "t.csv")
    assert (data.cells.intensity == mean).all()
    assert data.culture.warnings == ("rows: line 10 repeats the header and was left out: two tables in one file",)
    timed(tables, tmp_path / "t.csv", " ", np.arange(FRAMES), extra=joined)
    with pytest.raises(InputError, match="line 10 repeats the header: two tables in one file"):
        tables.read(tmp_path / "t.csv")
    timed(tables, tmp_path / "t.csv", "Frame", [*range(10), *range(10)], extra=joined)
    with pytest.raises(InputError, match="are both of Frame 0, but differ"):
        tables.read(tmp_path / "t.csv")


@pytest.mark.parametrize("empty", ["separators", "blank", "words"])
def test_an_empty_row_is_a_lost_frame_whose_place_is_kept(tables, tmp_path, empty):
    mean = tables.grid(frames=FRAMES)[0]
    rows = {"separators": "," * 48, "blank": "", "words": ",".join(["7", *["NaN"] * 48])}

    def lossy(lines):
        return [*lines[:7], rows[empty], *lines[8:]]

    timed(tables, tmp_path / "t.csv", "Mean_all", np.arange(FRAMES), mean=mean, extra=lossy)
    data = tables.read(tmp_path / "t.csv")
    assert (data.cells.intensity == np.delete(mean, 6, axis=1)).all()
    assert data.culture.time_s == tuple(5.0 * t for t in range(FRAMES) if t != 6)
    assert data.culture.warnings[0] == (
        "rows: 1 of 20 have no value (line 8); their frames are lost and their place in time is kept"
    )
    filled = tables.read(tmp_path / "t.csv", trust_interval=True)
    assert filled.culture.time_s is None
    assert np.allclose(filled.cells.intensity[:, 6], (mean[:, 5] + mean[:, 7]) / 2)


def test_line_ends_that_were_written_twice_are_no_lost_frames(tables, tmp_path):
    mean = timed(tables, tmp_path / "t.csv", " ", np.arange(FRAMES), extra=lambda lines: "\n\n".join(lines).split("\n"))
    data = tables.read(tmp_path / "t.csv")
    assert (data.cells.intensity == mean).all()
    assert data.culture.time_s is None


def test_a_column_of_one_value_tells_no_time(tables, tmp_path):
    mean = timed(tables, tmp_path / "t.csv", "Slice", [1] * FRAMES)
    data = tables.read(tmp_path / "t.csv")
    assert (data.cells.intensity == mean).all()
    assert data.culture.warnings == ()


def test_a_time_that_is_none_is_named(tables, tmp_path):
    timed(tables, tmp_path / "t.csv", "Frame", [1, 2, "three", 4])
    with pytest.raises(InputError, match="line 4, column Frame: 'three' is no number or time"):
        tables.read(tmp_path / "t.csv")
    timed(tables, tmp_path / "t.csv", "Frame", [1, 2, "", 4])
    with pytest.raises(InputError, match="line 4, column Frame: is empty; fill it in"):
        tables.read(tmp_path / "t.csv")
    timed(tables, tmp_path / "t.csv", "Frame", [1, 1.5, 2, 2.5])
    with pytest.raises(InputError, match=r"1\.5 is no whole number; rename the column"):
        tables.read(tmp_path / "t.csv")


def test_rounded_times_are_even(tables, tmp_path):
    timed(tables, tmp_path / "t.csv", "Time_s", np.rint(5.4 * np.arange(FRAMES)).astype(int))
    culture = tables.read(tmp_path / "t.csv", frame_interval_s=5.4).culture
    assert (culture.time_s, culture.frame_interval_s, culture.warnings) == (None, 5.4, ())


def test_frames_that_are_copies_are_counted_and_may_be_dropped(tables, tmp_path):
    mean = tables.grid(frames=FRAMES)[0]
    mean[:, 1::2] = mean[:, ::2]
    timed(tables, tmp_path / "t.csv", "Frame", np.arange(FRAMES), mean=mean)
    warnings = tables.read(tmp_path / "t.csv").culture.warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("repeats: 10 of 20 frames are copies of the one before")
    data = tables.read(tmp_path / "t.csv", drop_repeats=True)
    assert (data.cells.intensity == mean[:, ::2]).all()
    assert (data.culture.frame_interval_s, data.culture.time_s) == (10.0, None)


def test_times_of_two_decimals_are_even_at_video_rate(tables, tmp_path):
    timed(tables, tmp_path / "t.csv", "Time_s", [f"{t / 30:.2f}" for t in range(FRAMES)])
    culture = tables.read(tmp_path / "t.csv", frame_interval_s=1 / 30).culture
    assert (culture.time_s, culture.frame_interval_s, culture.warnings) == (None, 1 / 30, ())


def test_a_count_that_is_called_time_is_refused_with_advice(tables, tmp_path):
    timed(tables, tmp_path / "t.csv", "Time", range(FRAMES))
    with pytest.raises(
        InputError, match=r"1 s apart \(column Time, taken as seconds; call it Frame if it counts frames"
    ):
        tables.read(tmp_path / "t.csv")


def test_frame_and_time_that_run_against_each_other_are_refused(tables, tmp_path):
    def backwards(lines):
        return [f"{'Time [s]' if at == 0 else 5.0 * (FRAMES - at)},{line}" for at, line in enumerate(lines)]

    timed(tables, tmp_path / "t.csv", "Frame", range(FRAMES), extra=backwards)
    with pytest.raises(InputError, match="time does not go forward"):
        tables.read(tmp_path / "t.csv")
