"""Tables as text files: whatever encoding, separator and decimal sign a program has written them with."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

from calcigraph.errors import InputError, NotFoundError, beside

MISSING = frozenset(
    {"", "na", "nan", "-nan", "n/a", "#n/a", "<na>", "null", "none", "-", "--", "nan(ind)", "-nan(ind)", "-1.#ind"}
    | {"1.#qnan", "#num!", "#div/0!", "#value!"}
)
"""What programs write, in any case, for a value that is not there."""
SEPARATORS = ",;\t"
LOOKED_AT = 20
"""Lines from which the separator is told."""
TRACES = "a table of traces, or what suite2p, CaImAn, NWB or AnnData write"
"""What messages expect of a file that is none."""

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""Byte order marks, and the encodings that they stand for."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Row:
    """A row below the header."""

    line: int
    """Its line in the file, from 1."""
    fields: tuple[str, ...]
    """Without blanks around them, decimal points as points; none for a line that is wholly blank."""

    @property
    def empty(self) -> bool:
        """Whether nothing stands in it."""
        return not any(self.fields)


@dataclass(frozen=True)
class Table:
    """A table of text."""

    path: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def number(self, row: Row, column: int) -> float:
        """The number in a field, NaN where it says that there is none. Raises InputError for anything else."""
        text = row.fields[column]
        try:
            value = float(text)
        except ValueError:
            value = math.nan if text.lower() in MISSING else math.inf
        # Python would read 1_000 as a number too.
        if math.isinf(value) or "_" in text:
            raise InputError(
                f"{self.path}: line {row.line}, column {self.header[column]}: {text!r} is not a number; "
                "leave it empty if missing"
            )
        return value


def table_bytes(path: str, expected: str = TRACES) -> bytes:
    """The file's content. Raises NotFoundError, InputError."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file{beside(path)}; expected {expected}") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder; expected {expected}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected {expected}") from error


def parse_table(path: str, content: bytes) -> Table:
    """The header and the rows of a CSV.

    Separators are the comma, the semicolon or the tabulator, whichever the header has most of. Where it is not the
    comma, numbers may have decimal commas. Above the header, lines that begin with # and one such as "sep=;" are
    left out.

    Parameters
    ----------
    path
        What messages call it.
    content
        UTF-8, UTF-16 or, where it is neither, the Windows encoding of western Europe (cp1252).

    Raises
    ------
    InputError
        It is no text, or has decimal commas and decimal points.

    Examples
    --------
    >>> table = parse_table("t.csv", "Zeit;Wert \u00b5\\n1,5;2\\n".encode("cp1252"))
    >>> table.header, table.rows[0].fields
    (('Zeit', 'Wert \u00b5'), ('1.5', '2'))
    """
    lines = _text(path, content).splitlines()
    numbered = list(enumerate(lines, start=1))
    while numbered and (not numbered[0][1].strip() or numbered[0][1].startswith("#")):
        numbered.pop(0)
    said = re.fullmatch(r'"?sep=(.)"?', numbered[0][1].strip("\r\n")) if numbered else None
    if said:
        numbered.pop(0)
    if not numbered:
        return Table(path, (), ())
    separator = said[1] if said else _separator([line for _, line in numbered])
    parsed = list(csv.reader([line for _, line in numbered], delimiter=separator))
    # A quoted field may go over several lines: then the lines of the rows are not known.
    known = [at for at, _ in numbered] if len(parsed) == len(numbered) else list(range(1, len(parsed) + 1))
    fields = [tuple(field.strip() for field in row) for row in parsed]
    if separator != ",":
        fields[1:] = _with_points(path, known[1:], fields[1:])
    rows = tuple(Row(line, row) for line, row in zip(known[1:], fields[1:], strict=True))
    return Table(path, fields[0], rows)


def _separator(lines: list[str]) -> str:
    """The separator that gives the first lines as many fields as the header, else what the header has most of."""
    counts = {}
    for separator in SEPARATORS[::-1]:  # of equal counts, the comma may be that of decimals
        widths = [len(next(csv.reader([line], delimiter=separator), [])) for line in lines[:LOOKED_AT] if line.strip()]
        if widths[0] > 1 and len(set(widths)) == 1:
            counts[separator] = widths[0]
    return max(counts, key=lambda each: counts[each]) if counts else max(SEPARATORS, key=lines[0].count)


def _with_points(path: str, lines: list[int], rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The fields with decimal points in the place of decimal commas."""
    commas = next((at for at, row in enumerate(rows) if any(map(_DECIMAL_COMMA.fullmatch, row))), None)
    if commas is None:
        return rows
    points = next((at for at, row in enumerate(rows) if any(map(_DECIMAL_POINT.fullmatch, row))), None)
    if points is not None:
        raise InputError(
            f"{path}: line {lines[commas]} has a decimal comma and line {lines[points]} a decimal point; "
            "export the table with one of them, and without signs between thousands"
        )
    return [tuple(f.replace(",", ".") if _DECIMAL_COMMA.fullmatch(f) else f for f in row) for row in rows]


def _text(path: str, content: bytes) -> str:
    """The content decoded."""
    if content.startswith(b"PK\x03\x04") or content.startswith(b"\xd0\xcf\x11\xe0"):
        raise InputError(f"{path}: is a workbook, not a text file; save its sheet as CSV")
    marked = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)
    for encoding in (marked,) if marked else (_guessed(content), "cp1252", "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Text has no NUL, and a header of traces has Latin letters; bytes of a picture make neither.
        if "\0" not in text and (text.isascii() or re.search("[A-Za-z]", text[:4096])):
            return text
        break
    raise InputError(f"{path}: not a text file; expected {TRACES}; text is read in UTF-8, UTF-16 or cp1252 (Windows)")


def _guessed(content: bytes) -> str:
    """The encoding of a text without a byte order mark: where every second byte is NUL, it is UTF-16."""
    start = content[:4096]
    for encoding, high in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        if len(high) > 1 and high.count(0) > 0.9 * len(high):
            return encoding
    return "utf-8"
