"""What calcigraph is made of: every locked package with its licence, and the graph engine's pin. `make audit`.

A licence is read from what the installed package says of itself. What the lock names for other systems only is not
installed here, and listed as such. The bill of materials is CycloneDX 1.5.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from calcigraph.version import __version__

HOME = Path(__file__).resolve().parents[2]
BILL = HOME / ".cache" / "calcigraph.cdx.json"
ENGINE = ("arcadedb", "arcadedb-embedded")
GUARDS = ("tests/test_crash.py", "tests/breaking/test_breaking.py", "tests/store/test_embedded.py")
"""Tests of what the engine's pin is for: fsynced commits, and kills that lose nothing."""

FAMILIES = (
    ("AGPL", "AGPL"), ("LGPL", "LGPL"), ("Lesser General", "LGPL"), ("GPL", "GPL"), ("General Public", "GPL"),
    ("MPL", "MPL-2.0"), ("Mozilla", "MPL-2.0"), ("NVIDIA", "NVIDIA"), ("Apache", "Apache-2.0"), ("MIT", "MIT"),
    ("ISC", "ISC"), ("BSD", "BSD"), ("PSF", "PSF-2.0"), ("Python", "PSF-2.0"), ("matplotlib", "PSF-2.0"),
    ("Zlib", "Zlib"), ("Unlicense", "Unlicense"), ("WTFPL", "WTFPL"), ("Public Domain", "Unlicense"),
    ("CC0", "CC0-1.0"), ("HPND", "HPND"), ("BlueOak", "BlueOak"), ("0BSD", "BSD"),
)  # fmt: skip
"""What stands in a licence's name, strictest first, and its family."""
FREE = frozenset(
    "Apache-2.0 MIT ISC BSD PSF-2.0 MPL-2.0 Zlib Unlicense WTFPL CC0-1.0 HPND BlueOak".split()  # noqa: SIM905
)
"""May be used by whoever uses calcigraph, for anything. MPL-2.0 asks only for changes to its own files."""
BESIDE = {
    "LGPL": "a library that is used unchanged, and that a user may replace: it is a package of its own",
    "NVIDIA": "comes with PyTorch, of the extras `pinn` and `segment`, for machines with a graphics card",
}
"""Not in what everybody gets: only in extras, or in tools of those who work on calcigraph."""

UNSAID = {"cuda-toolkit": "NVIDIA proprietary (an empty package that names others of NVIDIA's)"}
"""Licences of packages that say nothing themselves."""


@dataclass(frozen=True)
class Part:
    """A locked package."""

    name: str
    version: str
    needed: str
    """`required`, `optional` (an extra) or `excluded` (tests, documentation, benchmarks)."""
    licence: str
    """As the package says it; empty where it is not installed on this system."""
    family: str

    @property
    def wrong(self) -> str:
        """What forbids it; empty where nothing does."""
        if not self.licence:
            return ""
        if self.family in FREE or (self.family in BESIDE and self.needed != "required"):
            return ""
        return f"{self.name} {self.version} is {self.needed} and has the licence {self.licence[:60]!r} ({self.family})"


def locked() -> dict[str, str]:
    """Version by name of every package in requirements.lock; the first where there are several."""
    found: dict[str, str] = {}
    for line in (HOME / "requirements.lock").read_text().splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", line)
        if match:
            found.setdefault(canonicalize_name(match[1]), match[2])
    return found


def parts() -> list[Part]:
    """Every locked package, by name."""
    needed = _needed()
    found = []
    for name, version in sorted(locked().items()):
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            found.append(Part(name, version, needed.get(name, "excluded"), "", "not on this system"))
            continue
        licence = said(about)
        found.append(Part(name, metadata.version(name), needed.get(name, "excluded"), licence, family(licence)))
    return found


def said(about: Any) -> str:
    """What a package says of its licence: expression, classifiers, or the first line of the text."""
    expression = about.get("License-Expression")
    if expression:
        return str(expression)
    classified = [
        text.rpartition("::")[2].strip() for text in about.get_all("Classifier") or () if text.startswith("License ::")
    ]
    plain = [text for text in classified if text != "OSI Approved"]
    lines = str(about.get("License") or "").strip().splitlines()
    texts = " AND ".join(plain) or next((line.strip() for line in lines if line.strip()), "")
    if texts and texts != "UNKNOWN":
        return texts
    return UNSAID.get(canonicalize_name(about["Name"])) or _of_its_file(about) or "unknown"


def _of_its_file(about: Any) -> str:
    for file in metadata.distribution(about["Name"]).files or ():
        if re.fullmatch(r"(LICEN[CS]E|COPYING)(\..*)?", file.name):
            text = " ".join(file.read_text().split())[:400]
            known = {"Permission is hereby granted, free of charge": "MIT", "Redistribution and use in source": "BSD"}
            return next((name for start, name in known.items() if start in text), text[:60])
    return ""


def family(licence: str) -> str:
    """Of which family it is: of `A OR B` the freer, of `A AND B` the stricter.

    >>> family("MIT OR GPL-3.0"), family("BSD-3-Clause AND LGPL-2.1"), family("Beerware")
    ('MIT', 'LGPL', 'unknown')
    """
    choices = [_strictest(part) for part in licence.split(" OR ")]
    return next((each for each in choices if each in FREE), choices[0])


def _strictest(licence: str) -> str:
    return next((name for sign, name in FAMILIES if sign.lower() in licence.lower()), "unknown")


def _needed() -> dict[str, str]:
    """Why each package is there, by name: the strongest reason."""
    project = tomllib.loads((HOME / "pyproject.toml").read_text())
    own = project["project"]
    found: dict[str, str] = {}
    for reason, texts in (
        ("required", own["dependencies"]),
        ("optional", [text for each in own["optional-dependencies"].values() for text in each]),
        ("excluded", [text for each in project["dependency-groups"].values() for text in each]),
    ):
        for text in texts:
            _follow(Requirement(text), reason, found)
    return found


def _follow(requirement: Requirement, reason: str, found: dict[str, str]) -> None:
    name = canonicalize_name(requirement.name)
    if name in found or (requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})):
        return
    found[name] = reason
    for each in _requires(name, requirement.extras):
        _follow(each, reason, found)


def _requires(name: str, extras: set[str]) -> Iterator[Requirement]:
    try:
        texts = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for text in texts:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            requirement.marker = None
            yield requirement


def bill(found: list[Part]) -> dict[str, Any]:
    """The bill of materials, CycloneDX 1.5."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "calcigraph",
                "name": "calcigraph",
                "version": __version__,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [
            {
                "type": "library",
                "bom-ref": f"pkg:pypi/{part.name}@{part.version}",
                "name": part.name,
                "version": part.version,
                "purl": f"pkg:pypi/{part.name}@{part.version}",
                "scope": part.needed,
                **({"licenses": [{"license": {"name": part.licence[:200]}}]} if part.licence else {}),
            }
            for part in found
        ],
    }


def engine_pin() -> list[str]:
    """What is wrong with the graph engine's pin: it is exact, locked, with its reason, and guarded by tests."""
    text, wrong = (HOME / "pyproject.toml").read_text(), []
    for name in ENGINE:
        pinned = re.search(rf'"{name}==([^";]+);', text)
        if pinned is None:
            wrong.append(f"{name} is not pinned exactly in pyproject.toml")
        elif locked().get(name) != pinned[1]:
            wrong.append(f"{name} is locked as {locked().get(name)}, not {pinned[1]}")
    if "# The embedded graph engine, pinned exactly:" not in text:
        wrong.append("pyproject.toml does not say why the engine is pinned")
    return wrong + [
        f"{guard}, which guards the engine's pin, is gone" for guard in GUARDS if not (HOME / guard).is_file()
    ]


def main() -> int:
    """Print every package with its licence, write the bill, and say what is wrong; 1 where anything is."""
    found = parts()
    for part in found:
        print(f"{part.name:36} {part.version:16} {part.needed:9} {part.family:18} {part.licence[:50]}")
    BILL.parent.mkdir(exist_ok=True)
    BILL.write_text(json.dumps(bill(found), indent=1))
    wrong = [part.wrong for part in found if part.wrong] + engine_pin()
    print(f"{len(found)} packages; the bill of materials is {BILL.relative_to(HOME)}")
    for line in wrong:
        print("WRONG", line)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
