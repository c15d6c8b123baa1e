"""The documentation is true: what its pages name exists, what exists is named in some page, and its site builds."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from calcigraph.cli import app
from calcigraph.models import CASES, WEIGHTS
from calcigraph.queries import names

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/*.md", "docs/tutorials/*.md")
OTHER_PROGRAMS = ("docker", "dask", "make", "pre-commit", "export", ".venv/bin/python", "python", "source")
ELSEWHERE = "benchmarks/page.py"
"""The only other program whose options the pages name."""


# What a text says. Prose is left out: commands and options stand in code.


def pages() -> dict[str, str]:
    """Every page that a reader starts from, by its path."""
    found = [path for pattern in PAGES for path in sorted(ROOT.glob(pattern))]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in found}


def code_lines(text: str) -> list[str]:
    """The lines of fenced and indented blocks, and each code span as a line of its own; no prompt."""
    fences = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4}(.*)$", rest, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", rest)
    return [line.removeprefix("$ ") for block in fences for line in block.splitlines()] + indented + spans


@cache
def commands() -> Mapping[str, frozenset[str]]:
    """The long options of every command, and of the command line itself under ""."""
    whole: Any = get_command(app)
    found = {"": whole} | dict(whole.commands)
    return {
        name: frozenset(option for each in command.params for option in each.opts if option.startswith("--"))
        | {"--help"}
        for name, command in found.items()
    }


def unknown_words(text: str) -> list[str]:
    """Commands and options that a text names and the command line does not have."""
    elsewhere = (ROOT / ELSEWHERE).read_text(encoding="utf-8")
    every = frozenset().union(*commands().values())
    wrong = []
    for line in code_lines(text):
        if line.startswith(OTHER_PROGRAMS):
            continue
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", line))
        called = re.match(r"(?:\.venv/bin/)?calcigraph (?:--workspace \S+ )?([a-z][a-z-]*)", line)
        if called and called[1] not in commands():
            wrong.append(f"calcigraph {called[1]}")
        allowed = commands()[""] | commands().get(called[1], every) if called else every
        wrong += [f"{option} in {line!r}" for option in sorted(options - allowed) if f'"{option}"' not in elsewhere]
    return wrong


def unnamed(text: str) -> list[str]:
    """Commands, options, queries, cases and weightings that no code in a text names.

    Models and kinds of picture name themselves in the help, so that their tables are the only place to add one.
    """
    lines = code_lines(text)
    there = set(lines) | {word for line in lines for word in re.split(r"[\s,=]+", line)}
    wanted = {option for options in commands().values() for option in options}
    wanted |= {*commands(), *names(), *CASES, *WEIGHTS} - {""}
    return sorted(wanted - there)


def missing_targets(text: str) -> list[str]:
    """`make` targets that a text names and the Makefile does not have."""
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    return [line for line in code_lines(text) if re.match(r"make [a-z]", line) and line.split()[1] not in there]


def broken_links(text: str, page: str) -> list[str]:
    """Relative links and images that lead nowhere in the repository, where a code host would look for them."""
    targets = re.findall(r"(?:\]\(|(?:src|href)=\")([^)\"#]+)", text)
    here = (ROOT / page).parent
    return [target for target in targets if "://" not in target and not (here / target).exists()]


# The architecture.


def rows(text: str, columns: int) -> list[list[str]]:
    """The body rows of the tables of so many columns."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and " --- " not in line]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if len(row) == columns]


def lost_places(text: str) -> list[str]:
    """Files and folders in code that do not exist; NAME stands for one that a change would add."""
    places = [line for line in code_lines(text) if re.fullmatch(r"[\w./-]+/|[\w./-]+\.(?:py|md|cypher|yml)", line)]
    return [place for place in places if "NAME" not in place and not (ROOT / place).exists()]


def missing_rooms(text: str) -> list[str]:
    """Folders of the package that the table of rooms lacks."""
    links = [path.name for path in (ROOT / "calcigraph").iterdir() if path.is_symlink()]
    inner = [path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("models/*/__init__.py")]
    told = {row[0].strip("`/") for row in rows(text, 3)}
    return sorted({"calcigraph", *links, *inner} - told)


def wrong_imports(text: str) -> list[str]:
    """Rooms whose column "may import" is not what tests/test_layout.py allows."""
    layout = loaded(ROOT / "tests" / "test_layout.py")
    allowed: dict[str, set[str]] = {room: set(others) for room, others in layout.MAY_IMPORT.items()}
    for folder, others in layout.MAY_IMPORT_IN_MODELS.items():
        inside = {f"models/{other}" for other in others if other != folder}
        allowed[f"models/{folder}"] = allowed["models"] | inside
    told = {row[0].strip("`/"): set(row[2].split(", ")) for row in rows(text, 3)}
    said = {room: {word for word in words if "`" not in word} for room, words in told.items()}
    return [room for room, others in allowed.items() if room in said and said[room] != others]


def undrawn(text: str, drawing: str) -> list[str]:
    """Nodes of the mermaid diagram that the site's drawing lacks."""
    diagram = re.search(r"```mermaid\nflowchart \w+\n(.*?)```", text, re.DOTALL)
    assert diagram is not None
    labels = dict(re.findall(r"(\w+)[\[(]+([^\[\]()]+)[\])]+", diagram[1]))
    bare = re.sub(r"[\[(]+[^\[\]()]+[\])]+|\|.*?\|", "", diagram[1])
    nodes = {labels.get(node, node) for node in re.findall(r"\w+", bare)}
    return sorted(node for node in nodes if f">{node}<" not in drawing)


def loaded(path: Path) -> ModuleType:
    """A Python file that is in no package."""
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", pages())
def test_what_a_page_names_exists(page: str) -> None:
    text = pages()[page]
    assert unknown_words(text) == []
    assert missing_targets(text) == []
    assert broken_links(text, page) == []


def test_what_exists_is_named_in_a_page() -> None:
    assert unnamed("\n".join(pages().values())) == []


def test_the_architecture_is_true() -> None:
    text = pages()["ARCHITECTURE.md"]
    assert lost_places(text) == []
    assert missing_rooms(text) == []
    assert wrong_imports(text) == []
    assert undrawn(text, (ROOT / "docs" / "flow.svg").read_text()) == []


@pytest.mark.parametrize(
    ("check", "planted"),
    [
        (unknown_words, "Try `calcigraph guess`."),
        (unknown_words, "```console\n$ calcigraph fit control --speed 3\n```"),
        (unknown_words, "    calcigraph delete control --replace"),
        (unknown_words, "The option `--fast` is new."),
        (missing_targets, "Run `make tea`."),
        (lambda text: broken_links(text, "README.md"), "See [there](docs/nowhere.md)."),
        (lambda text: broken_links(text, "docs/tour.md"), "See [there](docs/models.md)."),
        (lambda text: broken_links(text, "README.md"), '<img src="docs/nothing.png">'),
        (lost_places, "It is in `models/guess.py`."),
        (lost_places, "They are in `attic/`."),
        (wrong_imports, "| `store/` | the store | store, models |"),
        (wrong_imports, "| `models/pinn/` | the network | models, models/robust, store |"),
        (lambda text: undrawn(text, "<text>ingest</text>"), "```mermaid\nflowchart LR\n    ingest --> a[attic]\n```"),
    ],
)  # fmt: skip
def test_a_planted_mistake_is_found(check: Callable[[str], list[str]], planted: str) -> None:
    assert len(check(planted)) == 1


@pytest.mark.parametrize("name", ["--half-width", "--mask-merges", "ingest-traces", "outlines", "per-cell-k"])
def test_a_name_that_no_page_has_is_found(name: str) -> None:
    text = "\n".join(pages().values())
    assert unnamed(re.sub(rf"(?<![\w-]){name}(?![\w-])", "x", text)) == [name]


def test_a_missing_room_is_found() -> None:
    text = pages()["ARCHITECTURE.md"]
    assert missing_rooms(text.replace("| `models/pinn/` |", "| pinn |")) == ["models/pinn"]


# The site.


def test_undocumented_names_are_found() -> None:
    hook = loaded(ROOT / "docs" / "site" / "hook.py")
    names = {"a.f": ("a.b.f", True), "a.g": ("a.b.g", True), "a.h": ("a.b.h", False)}
    assert hook.undocumented(names, {"a.b.f", "a.h"}) == ["a.g", "a.h"]
    public = hook.public_names()
    assert public["calcigraph.models.fit"] == ("calcigraph.models.run.fit", True)
    assert {"calcigraph.FitOptions", "calcigraph.Workspace.fit", "calcigraph.queries.load"} <= set(public)


def test_what_loads_from_a_network_is_found() -> None:
    hook = loaded(ROOT / "docs" / "site" / "hook.py")
    assert hook.LOADS.search('<script src="https://example.org/a.js"></script>')
    assert hook.LOADS.search('<link rel="stylesheet" href="//example.org/a.css">')
    assert not hook.LOADS.search('<a href="https://example.org">there</a> <script src="assets/a.js"></script>')


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the site is built from."""
    for name in ("docs", "calcigraph", "ingest", "store", "models", "queries", "pictures", "report", "export", "cli"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("weights", "*.csv"))
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "mkdocs.yml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_a_site_with_broken_links_is_not_built(copy: Path) -> None:
    with (copy / "docs" / "tour.md").open("a", encoding="utf-8") as page:
        page.write("[one](nowhere.md) and [another](models.md#no-such-part)\n")
    done = build(copy)
    assert done.returncode != 0
    assert "nowhere.md" in done.stderr
    assert "no-such-part" in done.stderr


def test_a_site_with_an_undocumented_name_is_not_built(copy: Path) -> None:
    with (copy / "queries" / "__init__.py").open("a", encoding="utf-8") as module:
        module.write('def told() -> None:\n    pass\n\n\n__all__ += ["told"]\n')
    done = build(copy)
    assert done.returncode != 0
    assert "calcigraph.queries.told" in done.stderr


# The examples.


def examples(text: str) -> list[tuple[str, list[str]]]:
    """The calcigraph commands in console blocks, and the lines that they are said to print."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return [each for each in found if each[0].startswith("calcigraph ")]


def plain(line: str) -> str:
    """A line whose columns are one blank apart."""
    return " ".join(line.split())


@pytest.mark.slow
@pytest.mark.segment
@pytest.mark.skipif(importlib.util.find_spec("cellpose") is None, reason="the extra segment is missing")
def test_examples_print_what_the_pages_say(tmp_path: Path) -> None:
    environment = os.environ | {"COLUMNS": "160", "PYTHONPATH": str(ROOT)}
    for page in ("README.md", "docs/graph.md"):  # the second asks what the first has brought in
        for command, expected in examples(pages()[page]):
            words = [sys.executable, "-m", "calcigraph", *shlex.split(command)[1:]]
            done = subprocess.run(
                words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
            )
            printed = [plain(line) for line in (done.stdout + done.stderr).splitlines()]
            assert [line for line in expected if plain(line) not in printed] == [], f"{page}: {command}: {printed}"
