"""Folders of CSV and Parquet: what was stored comes back, and every column is described."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas

from calcigraph.export.collected import Collected
from calcigraph.export.folders import write_csv
from calcigraph.queries import run
from calcigraph.store.graph import Graph


def written(found: Collected, folder: Path) -> dict[str, pandas.DataFrame]:
    """Each CSV file of the folder, floats to the last bit."""
    write_csv(found, folder)
    return {path.stem: pandas.read_csv(path, float_precision="round_trip") for path in sorted(folder.glob("*.csv"))}


def test_a_folder_has_all_there_is(rich: Collected, tmp_path: Path) -> None:
    tables = written(rich, tmp_path)
    assert set(tables) == {
        "cells", "contacts", "outlines", "traces", "dff", "events", "waves", "rates", "fits", "parameters", "dictionary"
    }  # fmt: skip
    assert [len(tables[name]) for name in ("cells", "contacts", "traces", "fits", "events", "waves")] == [
        30,
        49,
        12,
        3,
        11,
        3,
    ]
    assert rich.left_out == ()


def test_a_culture_of_traces_says_what_it_lacks(bare: Collected, tmp_path: Path) -> None:
    tables = written(bare, tmp_path)
    assert set(tables) == {"cells", "contacts", "traces", "dictionary"}
    said = json.loads((tmp_path / "culture.json").read_text(encoding="utf-8"))
    assert said["left_out"] == list(bare.left_out)
    assert [line.partition(" ")[0] for line in bare.left_out] == ["fits", "outlines", "events,"]
    assert "calcigraph fit bare" in bare.left_out[0]


def test_values_come_back_to_the_last_bit(lab: Graph, each: Collected, tmp_path: Path) -> None:
    tables = written(each, tmp_path)
    for name in set(tables) - {"dictionary", "traces", "dff"}:
        for column in each.tables[name].columns:
            stored, read = each.tables[name].frame[column.name], tables[name][column.name]
            if column.type in ("int", "float"):
                np.testing.assert_array_equal(read.to_numpy(float), stored.to_numpy(float, na_value=np.nan))
            elif column.type in ("string", "bool"):
                assert read.isna().tolist() == stored.isna().tolist()
                assert [str(x) for x in read.dropna()] == [str(x) for x in stored.dropna()]
    traces = tables["traces"]
    assert list(traces.columns[:2]) == ["frame", "time_s"]
    np.testing.assert_array_equal(traces.iloc[:, 2:].to_numpy().T, each.subgraph.intensity)
    assert [int(name) for name in traces.columns[2:]] == each.subgraph.labels.tolist()
    np.testing.assert_array_equal(traces["time_s"], each.subgraph.frame_times)
    named = run(lab, "cells", culture=each.culture.uid)
    assert set(named.columns) <= set(tables["cells"].columns)


def test_unknown_dff_is_empty(rich: Collected, tmp_path: Path) -> None:
    dff = written(rich, tmp_path)["dff"]
    assert dff.columns[dff.isna().all()].tolist() == [str(rich.subgraph.labels[2])]


def test_annotations_are_columns_of_one_type(rich: Collected, tmp_path: Path) -> None:
    cells = written(rich, tmp_path)["cells"]
    assert cells["kind"].tolist()[:6] == ["round, 'flat' \\ ☃"] * 4 + ["True".lower()] * 2
    assert cells["dose"].tolist()[4:7] == [2.0, 2.0, 2.5]
    said = json.loads((tmp_path / "culture.json").read_text(encoding="utf-8"))
    assert said["annotations"] == {"dish": 3, "fixed": False, "operator": 'O\'Hara; "Ann" <a&b>'}
    assert (said["experiment"], said["condition"], said["input_digest"]) == ('E; \\ "x"', "wild type", rich.culture.uid)


def test_every_column_is_described(each: Collected, tmp_path: Path) -> None:
    tables = written(each, tmp_path)
    told = tables["dictionary"].fillna("")
    there = {(name, column) for name, table in tables.items() if name != "dictionary" for column in table.columns}
    labels = {(name, str(label)) for name in ("traces", "dff") for label in each.subgraph.labels.tolist()}
    frames = {(name, "<label>") for name in ("traces", "dff") if name in tables}
    assert set(zip(told["table"], told["column"], strict=True)) == there - labels | frames
    without = told[(told["meaning"] == "") | ((told["unit"] == "") & ~told["meaning"].str.contains("model gives"))]
    assert without[["table", "column"]].to_numpy().tolist() == []


def test_the_same_culture_gives_the_same_files(rich: Collected, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_csv(rich, tmp_path / name)
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
