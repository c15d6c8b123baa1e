"""The package as it is laid out: folders, links, import order, start-up."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import calcigraph

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("ingest", "store", "models", "queries", "cli")
MAY_IMPORT = {
    "store": {"store"},
    "ingest": {"ingest", "store"},
    "models": {"models", "store"},
    "queries": {"queries", "store"},
    "cli": {"cli", "workspace", "store", "queries"},
}


def imported_parts(path: Path) -> set[tuple[str, int]]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names]
                if node.module == "calcigraph"
                else [node.module]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {(name.split(".")[1], node.lineno) for name in names if name.startswith("calcigraph.")}
    return found


def test_pyproject_lists_every_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    expected = {"calcigraph", *(f"calcigraph.{part}" for part in PARTS)}
    assert set(settings["packages"]) == expected
    assert settings["package-dir"] == {f"calcigraph.{part}": part for part in PARTS}
    with_modules = {path.parent.relative_to(ROOT).as_posix() for part in PARTS for path in (ROOT / part).rglob("*.py")}
    assert with_modules == set(PARTS), "a subpackage that pyproject.toml does not list is missing from the wheel"


@pytest.mark.parametrize("part", PARTS)
def test_links_make_one_package(part: str) -> None:
    link = ROOT / "calcigraph" / part
    assert link.is_symlink()
    assert link.readlink() == Path("..") / part


@pytest.mark.parametrize("part", PARTS)
def test_nothing_imports_upward(part: str) -> None:
    allowed = MAY_IMPORT[part] | {"errors"}
    wrong = [
        f"{path.name}:{line} imports {target}"
        for path in sorted((ROOT / part).glob("*.py"))
        for target, line in sorted(imported_parts(path))
        if target not in allowed and not (part == "cli" and target in calcigraph.__all__)
    ]
    assert not wrong


def test_models_touch_neither_files_nor_drivers() -> None:
    banned = {"neo4j", "arcadedb", "tifffile", "zarr", "pathlib", "os", "shutil"}
    for path in sorted((ROOT / "models").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not banned & {name.split(".")[0] for name in names}, path.name


def test_only_one_file_knows_dask() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for part in PARTS
        for path in (ROOT / part).glob("*.py")
        if any(
            word in path.read_text() for word in ("import dask", "from dask", "import distributed", "from distributed")
        )
    }
    assert users <= {"models/run.py"}


@pytest.mark.parametrize("command", [[], ["fit"], ["ingest"], ["query"]])
def test_help_starts_fast(command: list[str]) -> None:
    """Help must not import what only work needs."""
    script = (
        "import sys; from calcigraph.cli.app import run; code = run([*sys.argv[1:], '--help']);"
        "heavy = {'torch', 'cellpose', 'dask', 'distributed', 'numba', 'neo4j', 'pandas', 'scipy', 'zarr', 'cv2'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"


def test_lock_is_hashed_and_names_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(pinned) > 100
    assert all(line.rstrip().endswith("\\") for line in pinned), "every requirement carries its hashes"
