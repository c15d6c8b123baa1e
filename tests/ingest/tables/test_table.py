"""Tables of text as programs of many countries write them."""

from pathlib import Path

import pytest

from calcigraph.errors import InputError
from calcigraph.ingest.table import parse_table


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
def test_any_encoding_that_microscopes_write(tables, tmp_path, encoding):
    mean, x, y = tables.grid()
    path = tmp_path / "t.csv"
    text = Path(tables.table(path, mean, x, y)).read_text().replace(" ,", "Temperature [\u00b0C] \u00b5,", 1)
    path.write_bytes(text.encode(encoding))
    assert (tables.read(path).cells.intensity == mean).all()


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas(tables, tmp_path, separator):
    mean, x, y = tables.grid()
    path = tmp_path / "t.csv"
    path.write_text(Path(tables.table(path, mean, x, y, separator=separator)).read_text().replace(".", ","))
    assert (tables.read(path).cells.intensity == mean).all()


def test_a_line_that_names_the_separator_and_remarks_are_left_out(tables, tmp_path):
    mean, x, y = tables.grid()
    path = tmp_path / "t.csv"
    path.write_text("# made by hand\nsep=;\n" + Path(tables.table(path, mean, x, y, separator=";")).read_text())
    assert (tables.read(path).cells.intensity == mean).all()


@pytest.mark.parametrize("nothing", ["", "NA", "nan", "-nan", "#N/A", "#DIV/0!", "NaN", "null", "-1.#IND"])
def test_what_programs_write_for_nothing(tables, tmp_path, nothing):
    path = tmp_path / "t.csv"
    path.write_text(f"Mean1,XM1,YM1,Mean2,XM2,YM2\n1,2,3,4,5,6\n{nothing},2,3,4,5,7\n3,2,3,4,5,6\n")
    data = tables.read(path, max_missing=0.5)
    assert data.cells.intensity[0].tolist() == [1, 2, 3]
    assert data.cells.flags == ("1 frames interpolated", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04" + bytes(40), "is a workbook"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not a text file"),
        (b"a;Mean1;XM1;YM1\n1,5;1;2;3\n2;1.5;2;3\n", "line 2 has a decimal comma and line 3 a decimal point"),
        (b"Mean1;XM1;YM1\n1_000;2;3\n2;3;4\n", "'1_000' is not a number"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tables, tmp_path, content, words):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        tables.read(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)


def test_a_folder_is_named_as_one(tables, tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        tables.read(tmp_path)


def test_lines_are_those_of_the_file(tables):
    assert [row.line for row in parse_table("t.csv", b"# made by hand\n\na,b\n1,2\n\n3,4\n").rows] == [4, 5, 6]
    assert tables.chosen().frame_interval_s == 5.0
