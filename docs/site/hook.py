"""What the documentation site needs beyond mkdocs: the pages at the repository's root, and two checks of the result.

* README.md, ARCHITECTURE.md, CONTRIBUTING.md and CHANGELOG.md become pages, their links turned to the site's.
* Every public name of the package is documented: it has a docstring, and a reference page shows it.
* No page loads anything from a network.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from griffe import load
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""A file at the root, and its page."""
DRAWN = "![From a movie to the graph and back](flow.svg)"
"""Stands for the mermaid diagram: drawing mermaid in a browser takes a script from a network."""
PUBLIC = ("calcigraph", "calcigraph.models", "calcigraph.queries", "calcigraph.pictures")
"""The modules whose `__all__` is public."""
LOADS = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^>]*>")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the root."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=as_page((ROOT / name).read_text(encoding="utf-8"))))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Turn the links of pages in docs/ to files at the root into links to their pages."""
    for name, page in PAGES.items():
        markdown = markdown.replace(f"](../../{name}", f"](../{page}").replace(f"](../{name}", f"]({page}")
    return markdown


def on_post_build(config: MkDocsConfig) -> None:
    """Fail for a public name that no page shows, and for a page that would load from a network."""
    site = Path(config.site_dir)
    missing = undocumented(public_names(), inventory(site / "objects.inv"))
    if missing:
        raise PluginError(f"public names without a docstring, or on no page in docs/reference/: {', '.join(missing)}")
    for path in sorted(site.rglob("*.html")):
        if found := LOADS.search(path.read_text(encoding="utf-8")):
            raise PluginError(f"{path.relative_to(site)} loads something from a network: {found[0]}")


def as_page(text: str) -> str:
    """The text of a file at the root as a page: links without docs/, and the drawn diagram."""
    text = re.sub(r"```mermaid\n.*?```", DRAWN, text, flags=re.DOTALL)
    text = re.sub(r"(\]\(|src=\")docs/", r"\1", text)
    for name, page in PAGES.items():
        text = text.replace(f"]({name}", f"]({page}")
    return text


def inventory(path: Path) -> set[str]:
    """The names that the site's objects.inv lists: all that a page shows."""
    packed = path.read_bytes().split(b"\n", 4)[4]
    return {line.split(" ", 1)[0] for line in zlib.decompress(packed).decode().splitlines()}


def public_names(root: Path = ROOT) -> dict[str, tuple[str, bool]]:
    """Every public name, with the name under which its module defines it and whether it has a docstring there."""
    package = load("calcigraph", search_paths=[root])
    names = [f"{module}.{name}" for module in PUBLIC for name in _member(package, module).exports or ()]
    methods = _member(package, "calcigraph.Workspace").members
    names += [
        f"calcigraph.Workspace.{name}" for name, method in methods.items() if method.is_function and name[0] != "_"
    ]
    found = {name: _member(package, name) for name in names}
    return {name: (member.canonical_path, member.has_docstring) for name, member in found.items()}


def _member(package: Any, name: str) -> Any:
    """What a dotted name stands for, beyond the module that only imports it."""
    found = package[name.removeprefix("calcigraph.")] if name != "calcigraph" else package
    return found.final_target if found.is_alias else found


def undocumented(names: Mapping[str, tuple[str, bool]], shown: Collection[str]) -> list[str]:
    """The public names without a docstring, or shown neither as such nor under the name that their module gives."""
    return sorted(name for name, (home, told) in names.items() if not told or not {name, home} & set(shown))
