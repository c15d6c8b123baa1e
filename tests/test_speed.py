"""The table of speed: how rows are compared with those of an earlier run; and that commands start without NumPy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def baseline(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/baseline.py."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import baseline

    return baseline


def row(baseline: ModuleType, work: str, ratio: float, measured: float = 1.0, asked: float = 2.0):
    return baseline.Row(work, measured, asked, "s", ratio, "plain", at_most=True)


def test_a_fifth_less_is_told_and_less_than_that_is_not(baseline: ModuleType) -> None:
    stored = {"load": 10.0}
    assert baseline.losses([row(baseline, "load", 8.1)], stored) == []
    assert baseline.losses([row(baseline, "load", 30.0)], stored) == []
    assert baseline.losses([row(baseline, "load", 8.0)], stored) == ["load: 8 times plain, and was 10: 20 % slower"]
    assert baseline.losses([row(baseline, "load", 5.0)], stored) == ["load: 5 times plain, and was 10: 50 % slower"]


def test_a_row_without_a_stored_ratio_is_told(baseline: ModuleType) -> None:
    assert baseline.losses([row(baseline, "new", 3.0)], {}) == ["new: not in the stored baseline; --keep stores it"]


def test_ratios_are_kept_and_those_of_other_rows_stay(baseline: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    assert baseline.read(path) == {}
    baseline.keep([row(baseline, "load", 1.23456), row(baseline, "pull", 2.0)], path)
    baseline.keep([row(baseline, "pull", 4.0)], path)
    assert baseline.read(path) == {"load": 1.23, "pull": 4.0}
    assert baseline.losses([row(baseline, "load", 1.23456)], baseline.read(path)) == []


def test_the_table_begins_with_what_is_missed(baseline: ModuleType) -> None:
    rows = [row(baseline, "met", 1.0, measured=2.0), row(baseline, "not met", 1.0, measured=2.1)]
    lines = baseline.table(rows).splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == ["not met", "met"]
    assert "**missed**" in lines[2]
    least = baseline.Row("ratio", 1.9, 2.0, "times", 1.9, "plain", at_most=False)
    assert not least.met


def test_the_stored_baseline_has_the_rows_of_the_page() -> None:
    stored = json.loads((ROOT / "benchmarks" / "baseline.json").read_text())
    page = (ROOT / "docs" / "speed.md").read_text()
    table = page.split("<!-- begin speed -->")[1].split("<!-- end speed -->")[0]
    works = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][2:]
    assert set(works) == set(stored)


def test_a_command_starts_without_numpy_and_the_graph() -> None:
    heavy = "{'numpy', 'neo4j', 'pandas', 'zarr', 'shapely', 'calcigraph.store.graph'}"
    text = f"import sys, calcigraph.cli; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", text], cwd=ROOT, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
