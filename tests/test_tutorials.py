"""The tutorials of docs/tutorials/: their blocks run in Jupyter's own kernel, and print what the pages say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 120
"""The longest that a block may take on a busy machine."""


def blocks(page: Path) -> list[tuple[str, str | None]]:
    """The Python blocks of a page, each with what the page says it prints."""
    found: list[tuple[str, str | None]] = []
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "python":
            found.append((text, None))
        else:
            found[-1] = (found[-1][0], text)
    return found


def notebook(page: Path) -> Any:
    """The page as a notebook."""
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_code_cell(code) for code, _ in blocks(page)]
    return made


def printed(cell: Any) -> str:
    """What a cell printed."""
    return "".join(each.text for each in cell.outputs if each.output_type == "stream" and each.name == "stdout")


def shown(cell: Any) -> set[str]:
    """The forms in which a cell's last value was shown."""
    return {form for each in cell.outputs if each.output_type == "execute_result" for form in each.data}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEO4J_URI", "CALCIGRAPH_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = notebook(page)
    client = NotebookClient(made, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute()
    for cell, (code, said) in zip(made.cells, blocks(page), strict=True):
        assert said is None or printed(cell).strip() == said.strip(), code
        last = code.strip().splitlines()[-1]
        if re.match(r"workspace\.picture\(", last):
            assert "image/png" in shown(cell), code
        elif re.fullmatch(r"\w+", last):
            assert "text/html" in shown(cell), code


def test_there_are_three() -> None:
    assert [page.stem for page in PAGES] == ["comparing", "first-movie", "own-files"]
