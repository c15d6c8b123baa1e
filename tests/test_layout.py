"""The package as it is laid out: rooms, links, import order, file sizes, start-up."""

from __future__ import annotations

import ast
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Collection
from pathlib import Path

import pytest

import calcigraph

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("ingest", "store", "models", "queries", "pictures", "report", "export", "cli")
"""The top-level folders that make up the package, beside calcigraph/ itself."""
MAY_IMPORT = {
    "store": {"store"},
    "ingest": {"ingest", "store"},
    "models": {"models", "store"},
    "queries": {"queries", "store", "models.scale"},
    "pictures": {"pictures", "queries", "models", "store"},
    "report": {"report", "said", "pictures", "queries", "models.table", "models.identify", "store"},
    "export": {"export", "queries", "store"},
    "verifying": {"verifying", "backing", "store", "queries"},
    "mending": {"mending", "verifying", "store", "ingest"},
    "backing": {"backing", "naming", "store", "export.place"},
    "simulation": {"simulation", "store", "models"},
    "forecasting": {"forecasting", "store", "models", "queries"},
    "coupling": {"coupling", "store", "models", "queries"},
    "said": {"said", "store", "queries", "models.identify"},
    "opened": {"opened", "naming", "store", "queries"},
    "curation": {"curation", "store", "ingest"},
    "viewing": {"viewing", "store", "queries"},
    "bringing": {"bringing", "curation", "opened", "naming", "store", "ingest", "models.table", "queries"},
    "plan": {"plan", "naming", "store", "ingest.options", "models.event_options", "models.table"},
    "planned": {"planned", "plan", "said", "store", "ingest.options", "models"},
    "spreading": {"spreading", "plan", "planned", "store", "models"},
    "giving": {
        "giving",
        "bringing",
        "viewing",
        "store",
        "models.table",
        "queries",
        "pictures",
        "report",
        "export",
    },
    "workspace": {
        "workspace",
        "giving",
        "plan",
        "planned",
        "spreading",
        "simulation",
        "coupling",
        "forecasting",
        "said",
        "store",
        "models",
        "queries",
        "verifying",
        "mending",
        "backing",
    },
    "cli": {
        "cli",
        "workspace",
        "naming",
        "said",
        "store",
        "queries",
        "models.table",
        "pictures.kinds",
        "export.formats",
    },
}
"""A room, and what it may import beside errors; a dotted name allows that module only."""
MAY_IMPORT_IN_MODELS = {
    "robust": {"robust", "decorrelation"},
    "decorrelation": {"decorrelation"},
    "crlsm": {"crlsm", "robust"},
    "pinn": {"pinn"},
    "synthetic": {"synthetic"},
    "events": {"events"},
    "waves": {"waves"},
    "forecast": {"forecast"},
}
"""An estimator's folder, and the folders of models/ it may import beside the files of models/ itself."""
MOST_LINES = 400

Import = tuple[str, int]
"""A module that is imported, and the line that does it."""


def modules(root: Path) -> dict[str, Path]:
    """Every module of the package below `root`, by its dotted name without `calcigraph.`."""
    files = [path for room in ROOMS for path in sorted((root / room).rglob("*.py"))]
    found = {".".join(path.relative_to(root).with_suffix("").parts): path for path in files}
    found |= {path.stem: path for path in sorted((root / "calcigraph").glob("*.py"))}
    return {name.removesuffix(".__init__"): path for name, path in found.items()}


def imports(path: Path, known: Collection[str]) -> set[Import]:
    """The package's modules that a file imports, wherever in the file: inside functions and for typing too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "calcigraph":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("calcigraph.")]
        else:
            continue
        for name in names:
            inside = name.removeprefix("calcigraph.")
            found.add((inside if inside in known else inside.rpartition(".")[0] or inside, node.lineno))
    return found


def circles(root: Path) -> list[str]:
    """Modules that reach themselves through imports; a package's `__init__` counts where it is named itself."""
    known = modules(root)
    edges = {name: {target for target, _ in imports(path, known)} & set(known) for name, path in known.items()}
    found = []
    for name in known:
        seen: set[str] = set()
        ahead = list(edges[name])
        while ahead:
            target = ahead.pop()
            if target not in seen:
                seen.add(target)
                ahead += edges[target]
        if name in seen:
            found.append(name)
    return found


def upward(root: Path) -> list[str]:
    """Imports against MAY_IMPORT and MAY_IMPORT_IN_MODELS, wherever in a file they stand."""
    known, wrong = modules(root), []
    for name, path in known.items():
        room, _, inner = name.partition(".")
        allowed = MAY_IMPORT.get(room)
        if allowed is None:
            continue
        for target, line in sorted(imports(path, known)):
            there, _, deeper = target.partition(".")
            fits = there in allowed or target in allowed or there in ("errors", "late", "option", "version")
            fits |= room == "cli" and target in calcigraph.__all__
            folder, deeper_folder = inner.split(".")[0], deeper.split(".")[0]
            if room == there == "models" and folder in MAY_IMPORT_IN_MODELS and deeper_folder in MAY_IMPORT_IN_MODELS:
                fits &= deeper_folder in MAY_IMPORT_IN_MODELS[folder]
            if not fits:
                wrong.append(f"{name}:{line} imports {target}")
    return wrong


def too_long(root: Path) -> list[str]:
    return [name for name, path in modules(root).items() if len(path.read_text().splitlines()) > MOST_LINES]


def unfound(root: Path) -> list[str]:
    """Folders with modules that the wheel would lack: setuptools finds those below calcigraph/ with an __init__.py."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert settings["packages"]["find"] == {"include": ["calcigraph", "calcigraph.*"]}
    folders = {path.parent for room in ROOMS for path in (root / room).rglob("*.py")}
    return sorted(str(folder.relative_to(root)) for folder in folders if not (folder / "__init__.py").exists())


def namesakes(root: Path) -> list[str]:
    """Modules that define a function or class of their own name, which then hides the module or is hidden by it."""
    found = []
    for name, path in modules(root).items():
        last = name.rpartition(".")[2]
        names = [getattr(node, "name", "") for node in ast.parse(path.read_text(encoding="utf-8")).body]
        if last in names and not name.startswith("cli."):  # there, a file is named after its command
            found.append(name)
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's files without git, for planting a breach."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    (tmp_path / "calcigraph").mkdir()
    for path in (ROOT / "calcigraph").glob("*.py"):
        shutil.copy(path, tmp_path / "calcigraph")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def plant(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text()}\n{line}\n")


def test_no_circle() -> None:
    assert circles(ROOT) == []


def test_a_planted_circle_is_found(copy: Path) -> None:
    plant(copy / "models" / "robust" / "weakform.py", "from calcigraph.models.robust.rounds import estimate")
    assert {"models.robust.weakform", "models.robust.rounds"} <= set(circles(copy))


def test_nothing_imports_upward() -> None:
    assert upward(ROOT) == []


@pytest.mark.parametrize(
    ("at", "line"),
    [
        ("models/robust/fit.py", "from calcigraph.queries import rows"),
        ("models/synthetic/tissue.py", "from calcigraph.models.robust.fit import fit_robust"),
        ("store/types.py", "import calcigraph.models.run"),
        ("queries/compare.py", "def late():\n    from calcigraph.models.run import fit"),
        ("pictures/style.py", "from calcigraph.workspace import Workspace"),
        ("cli/status.py", "from calcigraph.models.options import FitOptions"),
        ("cli/status.py", "from calcigraph.pictures.render import draw"),
    ],
)
def test_a_planted_import_upward_is_found(copy: Path, at: str, line: str) -> None:
    plant(copy / at, line)
    assert len(upward(copy)) == 1


def test_no_file_is_too_long() -> None:
    assert too_long(ROOT) == []


def test_a_planted_long_file_is_found(copy: Path) -> None:
    plant(copy / "models" / "pinn" / "paper.py", "#\n" * MOST_LINES)
    assert too_long(copy) == ["models.pinn.paper"]


def test_the_wheel_has_every_package() -> None:
    assert unfound(ROOT) == []


def test_a_planted_package_is_found(copy: Path) -> None:
    (copy / "models" / "toy").mkdir()
    (copy / "models" / "toy" / "fit.py").touch()
    assert unfound(copy) == ["models/toy"]


def test_no_module_is_named_like_what_it_defines() -> None:
    assert namesakes(ROOT) == []


@pytest.mark.parametrize("room", ROOMS)
def test_links_make_one_package(room: str) -> None:
    link = ROOT / "calcigraph" / room
    assert link.is_symlink()
    assert link.readlink() == Path("..") / room


def test_models_touch_neither_files_nor_drivers() -> None:
    banned = {"neo4j", "arcadedb", "tifffile", "zarr", "pathlib", "os", "shutil"}
    for path in sorted((ROOT / "models").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not banned & {name.split(".")[0] for name in names}, path.name


def test_only_one_file_knows_dask() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if any(
            word in path.read_text() for word in ("import dask", "from dask", "import distributed", "from distributed")
        )
    }
    assert users == {"models/scheduler.py"}


@pytest.mark.parametrize("command", [[], ["fit"], ["ingest"], ["query"], ["picture"], ["report"], ["export"]])
def test_help_starts_fast(command: list[str]) -> None:
    """Help must not import what only work needs."""
    script = (
        "import sys; from calcigraph.cli.app import run; code = run([*sys.argv[1:], '--help']);"
        "heavy = {'torch', 'cellpose', 'dask', 'distributed', 'numba', 'neo4j', 'pandas', 'scipy', 'zarr', 'cv2',"
        "'matplotlib', 'tifffile', 'bokeh', 'jinja2', 'nd2', 'pylibCZIrw', 'liffile', 'av', 'napari',"
        "'anndata', 'geopandas', 'pyarrow', 'pynwb', 'xarray',"
        "'calcigraph.ingest.pipeline', 'calcigraph.models.run'};"
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


def test_the_description_on_a_package_index_has_no_broken_links(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, str] = {}
    monkeypatch.setattr("setuptools.setup", lambda **words: given.update(words))
    runpy.run_path(str(ROOT / "setup.py"))
    text = given["long_description"]
    assert "## A first tour" in text
    assert "what is read and checked" in text
    assert "<img" not in text
    assert re.findall(r"\]\((?!https?:)", text) == []
