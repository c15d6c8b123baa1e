"""Jars of a real server for tests, fetched by Maven once and kept in .cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


class Unavailable(Exception):
    """No such server can be had this way; the text says why."""


def fetched(recipe: Path, jars: Path) -> Path:
    """The folder `jars`, filled with what pom.xml in the folder `recipe` asks for."""
    if jars.is_dir():
        return jars
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is not installed")
    draft = jars.with_name(f"{jars.name}.{os.getpid()}")
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={draft}"]
    run = subprocess.run(command, cwd=recipe, capture_output=True, text=True)
    if run.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        raise Unavailable(f"Maven could not fetch {jars.name}: {run.stdout.strip()[:300]}")
    draft.rename(jars)
    return jars
