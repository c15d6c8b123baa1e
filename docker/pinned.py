"""What an image needs of requirements.lock: `python pinned.py EXTRA ...` prints calcigraph's own requirements, pinned.

With `uv pip install --require-hashes --constraint requirements.lock` what these need comes with them, in the locked
version, and each file must have a hash that the lock names.
"""

import re
import sys
import tomllib
from pathlib import Path


def wanted(project: dict, extras: list[str]) -> set[str]:
    """Names of calcigraph's own requirements, of those extras too, and of what builds calcigraph itself."""
    optional = project["project"]["optional-dependencies"]
    unknown = sorted(set(extras) - set(optional))
    if unknown:
        sys.exit(f"there is no extra {unknown[0]!r}; there are {', '.join(optional)}")
    texts = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    texts += [text for extra in extras for text in optional[extra]]
    return {re.match(r"[\w.-]+", text)[0].lower() for text in texts}


def pinned(lock: str, names: set[str]) -> str:
    """The lines of the lock with these names, with their conditions and hashes."""
    blocks = re.findall(r"^[\w.-]+==.*?(?=^[\w.-]+==|\Z)", lock, re.MULTILINE | re.DOTALL)
    found = [block for block in blocks if block.partition("==")[0].lower() in names]
    missing = names - {block.partition("==")[0].lower() for block in found}
    if missing:
        sys.exit(f"requirements.lock has no {', '.join(sorted(missing))}: run `make lock`")
    return "".join(found)


if __name__ == "__main__":
    project = tomllib.loads(Path("pyproject.toml").read_text())
    print(pinned(Path("requirements.lock").read_text(), wanted(project, sys.argv[1:])), end="")
