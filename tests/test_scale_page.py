"""docs/scale.md: its tables are what was measured, and what follows from that."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "scale_page.py"))


def test_the_tables_are_what_was_measured(made: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "scale.md").read_text()
    assert made["filled"](page) == page
    assert re.findall(r"<!-- (\w+) -->\n\n\|", page) == ["sizes", "many", "workers", "arithmetic"]


def test_the_sentences_follow_from_the_tables(made: dict[str, Any]) -> None:
    page = " ".join((ROOT / "docs" / "scale.md").read_text().split())
    last = made["read"]("many")[-1]
    each = [f"{1000 * float(last[name]) / int(last['cultures']):.2f}" for name in ("query_cultures_s", "status_s")]
    assert f"{each[0]} and {each[1]} ms for each" in page
    shares = {round(float(row["store_MB"]) / float(row["film_MB"]), 1) for row in made["read"]("sizes")}
    assert shares == {0.6}
    assert "0.6 of the film" in page
    follows = {row["what follows"]: row for row in made["arithmetic"]()}
    few = [
        round(float(follows["cores that 1 Gbit/s for films and stores keeps busy"][film]))
        for film in ("small", "large")
    ]
    assert few == [2, 2]
    assert "With 1 Gbit/s two cores wait for the line" in page
    engine = follows["cores that one core of the graph's engine keeps busy"]
    assert min(int(engine[film]) for film in ("small", "large")) == 14
    assert "one core for every 14 workers" in page
    alone, *by_workers = made["read"]("workers")
    for step, more in (("ingest", "0.6"), ("fit", "0.4")):
        name = f"{step}_processor_s"
        assert f"{float(by_workers[-1][name]) - float(alone[name]):.1f}" == more
        assert f"{more} s more to {step}" in page
        assert float(by_workers[-1][name]) - float(by_workers[0][name]) < 0.21
    writes = [float(row["write_ms"]) for row in made["read"]("many")]
    assert max(writes) < 1.5 * min(writes)
