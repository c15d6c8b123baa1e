"""Tables of traces in every shape and spelling, from the same numbers."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path

import numpy as np
import pytest

from calcigraph.errors import InputError, NotFoundError

FRAMES, STEP = 12, 2.5


def numbers(seed: int = 0, cells: int = 9):
    """Traces (n, T), and x and y (n,), with few digits."""
    rng = np.random.default_rng(seed)
    grid = np.indices((3, 3)).reshape(2, -1)[:, :cells] * 10.0
    return rng.uniform(1, 9, (cells, FRAMES)).round(3), *(grid + rng.uniform(-2, 2, grid.shape)).round(2)


NAMES = [f"ROI_{i}" for i in (4, 2, 7, 1, 11, 3, 5, 6, 9)]


def wide(values, names=NAMES, time="time_s"):
    header = [time, *names]
    return [header, *([t * STEP, *column] for t, column in enumerate(values.T.tolist()))]


def long(values, x=None, y=None, names=NAMES, header=("cell", "time_s", "dF", "x", "y")):
    rows = [list(header[:3] if x is None else header)]
    for t, i in itertools.product(range(FRAMES), range(len(values))):
        rows.append([names[i], t * STEP, values[i, t], *([] if x is None else [x[i], y[i]])])
    return rows


def turned(values, x=None, y=None, names=NAMES, cell="cell", frames=None):
    frames = frames or [str(t * STEP) for t in range(FRAMES)]
    rows = [[cell, *(() if x is None else ("x", "y")), *frames]]
    for i, name in enumerate(names):
        rows.append([name, *(() if x is None else (x[i], y[i])), *values[i].tolist()])
    return rows


def positions(x, y, names=NAMES, header=("cell", "x", "y")):
    return [list(header), *([name, a, b] for name, a, b in zip(names, x, y, strict=True))]


def write(path: Path, rows, separator=",", decimal=".", encoding="utf-8", first="", newline="\n") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=newline)
    for row in rows:
        writer.writerow([str(each).replace(".", decimal) if isinstance(each, float) else each for each in row])
    path.write_bytes((first + text.getvalue()).encode(encoding))
    return str(path)


SPELLINGS = {
    "comma": {},
    "semicolon": {"separator": ";"},
    "decimal comma": {"separator": ";", "decimal": ","},
    "tab, decimal comma": {"separator": "\t", "decimal": ","},
    "Excel": {"separator": ";", "decimal": ",", "first": "sep=;\r\n", "newline": "\r\n", "encoding": "utf-8-sig"},
    "UTF-16": {"separator": "\t", "encoding": "utf-16"},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("shape", ["wide", "long", "long with positions", "turned", "turned with positions"])
def test_one_recording_in_every_shape_and_spelling(tables, tmp_path, shape, spelling):
    values, x, y = numbers()
    rows = {
        "wide": lambda: wide(values),
        "long": lambda: long(values),
        "long with positions": lambda: long(values, x, y),
        "turned": lambda: turned(values),
        "turned with positions": lambda: turned(values, x, y),
    }[shape]()
    path = write(tmp_path / "t.csv", rows, **SPELLINGS[spelling])
    where = write(tmp_path / "p.csv", positions(x, y), **SPELLINGS[spelling])
    data = tables.read(path, frame_interval_s=STEP, **({} if "with" in shape else {"positions": where}))
    labels = [int(name[4:]) for name in NAMES]
    order = np.argsort(labels)
    assert data.cells.labels.tolist() == sorted(labels)
    assert (data.cells.intensity == values[order]).all()
    assert (data.cells.x_px == x[order]).all()
    assert (data.cells.y_px == y[order]).all()
    assert data.culture.frame_interval_s == pytest.approx(STEP)
    assert len(data.contacts) > 8


def test_the_digest_is_of_values_columns_and_positions(tables, tmp_path):
    values, x, y = numbers()
    path = write(tmp_path / "t.csv", wide(values))
    where = [write(tmp_path / f"p{i}.csv", positions(x + i, y)) for i in range(2)]
    digests = {tables.read(path, positions=each, frame_interval_s=STEP).culture.input_digest for each in where}
    assert len(digests) == 2
    again = tables.read(path, positions=where[0], frame_interval_s=STEP).culture
    assert again.input_digest in digests


def test_columns_are_named_by_the_user(tables, tmp_path):
    values, x, y = numbers()
    header = ("Zelle", "Zeit", "dF, F0", "Spalte", "Zeile")
    path = write(tmp_path / "t.csv", long(values, x, y, header=header))
    said = "cell=Zelle,time=Zeit,value=dF, F0,x=Spalte,y=Zeile"
    data = tables.read(path, columns=said, frame_interval_s=STEP)
    assert (data.cells.intensity == values[np.argsort([int(name[4:]) for name in NAMES])]).all()
    frames = [
        [row[0], int(row[1] / STEP) if isinstance(row[1], float) else row[1], *row[2:]] for row in long(values, x, y)
    ]
    path = write(tmp_path / "f.csv", [("c", "nr", "v", "x", "y"), *frames[1:]])
    again = tables.read(path, columns="cell=c,frame=nr,value=v", frame_interval_s=STEP)
    assert (again.cells.intensity == data.cells.intensity).all()


def test_some_columns_of_a_wide_table(tables, tmp_path):
    values, x, y = numbers()
    rows = [[*row, note] for row, note in zip(wide(values), ["Bemerkung", *"abcdefghijkl"], strict=True)]
    path = write(tmp_path / "t.csv", rows)
    where = write(tmp_path / "p.csv", positions(x, y))
    with pytest.raises(InputError, match=r"column Bemerkung was not understood.*ROI_4, ROI_2"):
        tables.read(path, positions=where, frame_interval_s=STEP)
    data = tables.read(path, positions=where, columns="value=ROI_*", frame_interval_s=STEP)
    assert len(data.cells) == 9


def test_imagejs_means_without_positions(tables, tmp_path):
    values, x, y = numbers()
    path = write(tmp_path / "t.csv", wide(values, [f"Mean{i}" for i in range(1, 10)], time=" "))
    with pytest.raises(InputError, match="--positions"):
        tables.read(path)
    where = write(tmp_path / "p.csv", positions(x, y, [str(i) for i in range(1, 10)], ("Label", "XM", "YM")))
    data = tables.read(path, positions=where)
    assert (data.cells.intensity == values).all()
    assert (data.cells.x_px == x).all()


def test_zero_is_a_value_where_positions_are_apart(tables, tmp_path):
    values, x, y = numbers()
    values[0, 3] = 0.0
    path = write(tmp_path / "t.csv", wide(values, [str(i) for i in range(1, 10)]))
    where = write(tmp_path / "p.csv", positions(x, y, [str(i) for i in range(1, 10)]))
    assert tables.read(path, positions=where, frame_interval_s=STEP).cells.intensity[0, 3] == 0


def test_names_without_numbers_are_numbered_and_told(tables, tmp_path):
    values, x, y = numbers(cells=3)
    names = ["soma", "axon", "hillock"]
    where = write(tmp_path / "p.csv", positions(x, y, names))
    data = tables.read(write(tmp_path / "t.csv", wide(values, names)), positions=where, frame_interval_s=STEP)
    assert data.cells.labels.tolist() == [1, 2, 3]
    assert "1 is soma, 2 is axon, 3 is hillock" in data.culture.warnings[0]
    assert (data.cells.x_px == x).all()


def test_a_data_frames_index_is_no_cell(tables, tmp_path):
    values, x, y = numbers()
    rows = [["" if i == 0 else i - 1, *row] for i, row in enumerate(wide(values))]
    where = write(tmp_path / "p.csv", positions(x, y))
    assert len(tables.read(write(tmp_path / "t.csv", rows), positions=where, frame_interval_s=STEP).cells) == 9


def test_cells_that_the_positions_do_not_have_are_left_out(tables, tmp_path):
    values, x, y = numbers()
    where = write(tmp_path / "p.csv", positions(x, y)[:-2])
    data = tables.read(write(tmp_path / "t.csv", wide(values)), positions=where, frame_interval_s=STEP)
    assert len(data.cells) == 7
    assert any("no position" in each and "6, 9" in each for each in data.culture.warnings)


def test_gaps_of_a_long_table_are_missing_values(tables, tmp_path):
    values, x, y = numbers()
    rows = [row for i, row in enumerate(long(values, x, y)) if i != 20]
    data = tables.read(write(tmp_path / "t.csv", rows), frame_interval_s=STEP)
    assert sum(flag == "1 frames interpolated" for flag in data.cells.flags) == 1


def test_spots_as_trackmate_writes_them(tables, tmp_path):
    """Three more rows of names and units, spots that are in no track, and two columns that could be cells."""
    values, x, y = numbers()
    rows: list[list[object]] = [
        ["LABEL", "ID", "TRACK_ID", "POSITION_X", "POSITION_Y", "POSITION_T", "FRAME", "MEAN_CH1"]
    ]
    rows += [
        ["Label", "Spot ID", "Track ID", "X", "Y", "T", "Frame", "Mean ch1"],
        ["Label", "Spot ID", "Track ID", "X", "Y", "T", "Frame", "Mean ch1"],
        ["", "", "", "(micron)", "(micron)", "(sec)", "", "(counts)"],
    ]
    for number, (t, i) in enumerate(itertools.product(range(FRAMES), range(9))):
        rows.append([f"ID{number}", number, i, x[i], y[i], t * STEP, t, values[i, t]])
    rows.append(["ID999", 999, "None", 1.0, 1.0, 0.0, 0, 5.0])
    path = write(tmp_path / "t.csv", rows)
    with pytest.raises(InputError, match=r"column LABEL was not understood.*TRACK_ID"):
        tables.read(path)
    said = "cell=TRACK_ID,frame=FRAME,value=MEAN_CH1,x=POSITION_X,y=POSITION_Y"
    data = tables.read(path, columns=said, frame_interval_s=STEP)
    assert (data.cells.intensity == values).all()
    assert data.cells.labels.tolist() == list(range(1, 10))
    assert [each for each in data.culture.warnings if each.startswith("rows")] == [
        "rows: 3 below the header have names or units and were left out",
        "rows: 1 of 109 have no TRACK_ID and were left out",
    ]


def test_a_data_frame_with_cells_as_its_index(tables, tmp_path):
    values, x, y = numbers()
    path = write(tmp_path / "t.csv", turned(values, x, y, cell=""))
    assert len(tables.read(path, frame_interval_s=STEP).cells) == 9


def test_a_time_of_another_name_is_no_cell(tables, tmp_path):
    values, x, y = numbers()
    path = write(tmp_path / "t.csv", wide(values, time="Uhr [s]"))
    where = write(tmp_path / "p.csv", positions(x, y))
    with pytest.raises(InputError, match=r"column Uhr \[s\] was not understood: it rises evenly.*--columns time="):
        tables.read(path, positions=where)
    data = tables.read(path, positions=where, columns="time=Uhr [s]", frame_interval_s=STEP)
    assert len(data.cells) == 9


def test_frame_numbers_and_times_together(tables, tmp_path):
    """A gap in both; a clock that stands still tells nothing, so the frame numbers count."""
    values, x, y = numbers()
    where = write(tmp_path / "p.csv", positions(x, y))
    rows = [["frame" if i == 0 else i + (i > 6), *row] for i, row in enumerate(wide(values))]
    stands = [[*row[:1], 0.0 if i else row[1], *row[2:]] for i, row in enumerate(rows)]
    data = tables.read(write(tmp_path / "t.csv", stands), positions=where, frame_interval_s=STEP)
    assert data.culture.time_s is not None
    assert data.culture.time_s[6] == pytest.approx(7 * STEP)


def test_positions_of_cells_that_move_are_their_medians(tables, tmp_path):
    values, x, y = numbers()
    rows = [*positions(x, y), *positions(x + 2, y)[1:], *positions(x + 4, y)[1:], ["ROI_1", "", ""]]
    where = write(tmp_path / "p.csv", rows)
    data = tables.read(write(tmp_path / "t.csv", wide(values)), positions=where, frame_interval_s=STEP)
    assert np.allclose(np.sort(data.cells.x_px), np.sort(x + 2))


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ("cell,dF\n1,2\n1,3\n2,4\n", {}, "no column tells time or frame.*its columns are cell, dF"),
        ("cell,frame,dF\n1,1,2\n1,1,3\n1,2,4\n", {}, "lines 2 and 3 are both of cell 1"),
        ("cell,frame,dF\n1,1,2\n1,,3\n", {}, "line 3: column frame is empty"),
        ("cell,frame,dF\n1,1,2\n1,2\n", {}, "line 3 has 2 fields, the header 3"),
        ("cell,frame,dF,x,y\n1,1,x,1,1\n1,2,2,1,1\n", {}, "line 2, column dF of cell 1: 'x' is not a number"),
        ("a,b\n1,2\n2,3\n", {"columns": "cell=ROI"}, "cell=ROI: .* has no such column; its columns are a, b"),
        ("a,b\n1,2\n2,3\n", {"columns": "zelle=a"}, "'zelle=a' is not understood"),
        ("a,b\n1,2\n2,3\n", {"columns": "cell=a,cell=b"}, "cell is given twice"),
        ("a,b\n1,2\n2,3\n", {"columns": "time=a,frame=b"}, "time and frame exclude each other"),
        ("0.5,0.7\n1.5,2.5\n2.5,3.5\n", {}, "first line has numbers"),
        ("a,a\n1,2\n2,3\n", {}, "two columns have the name a"),
        ("cell,left,right\n1,2,3\n2,3,4\n", {}, "column left was not understood"),
        ("cell,1,2\n1,2,3\n1,3,4\n", {}, "cell 1 comes twice"),
        ("time_s\n0\n1\n", {}, "no columns of traces"),
    ],
)
def test_what_is_not_understood_is_one_line(tables, tmp_path, rows, options, words):
    (tmp_path / "t.csv").write_text(rows)
    with pytest.raises(InputError, match=words) as caught:
        tables.read(tmp_path / "t.csv", **options)
    assert "\n" not in str(caught.value)


def test_positions_that_do_not_fit(tables, tmp_path):
    values, x, y = numbers()
    path = write(tmp_path / "t.csv", wide(values))
    with pytest.raises(NotFoundError, match="cell, x and y"):
        tables.read(path, positions=str(tmp_path / "none.csv"))
    for rows, words in (
        (positions(x, y, [f"n{i}" for i in range(90, 99)]), "names none of the cells"),
        (positions(x, y, header=("cell", "breite", "y")), "no column tells x.*cell, breite, y"),
    ):
        with pytest.raises(InputError, match=words):
            tables.read(path, positions=write(tmp_path / "p.csv", rows), frame_interval_s=STEP)
    where = write(tmp_path / "p.csv", positions(x, y, header=("Zelle", "breite", "y")))
    read = tables.read(path, positions=where, columns="cell=Zelle,x=breite", frame_interval_s=STEP)
    assert len(read.cells) == 9


@pytest.mark.parametrize(
    ("time", "columns"), [("Zeit [s]", {}), ("when (s)", {"columns": "time=when (s)"}), ("Temps_s", {})]
)
def test_a_german_table(tables, tmp_path, time, columns):
    """Semicolons, decimal commas, a mark of UTF-8, Windows' line ends, times in another language."""
    values, x, y = numbers()
    path = write(tmp_path / "t.csv", wide(values, time=time), ";", ",", "utf-8-sig", newline="\r\n")
    places = write(tmp_path / "p.csv", positions(x, y), ";", ",", "utf-8-sig")
    found = tables.read(path, positions=places, frame_interval_s=STEP, **columns)
    assert found.culture.frame_interval_s == STEP
    order = np.argsort([int(name[4:]) for name in NAMES])
    np.testing.assert_array_equal(found.cells.intensity, values[order])
