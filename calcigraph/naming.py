"""Names of cultures, and the folder of a workspace."""

from __future__ import annotations

import os
import re
from pathlib import Path

from calcigraph.errors import InputError

DEFAULT_FOLDER = "calcigraph-workspace"
FORBIDDEN_IN_NAMES = set('/\\:*?"<>|~')


def workspace_folder(name: str | Path) -> Path:
    """The folder of a workspace. Raises InputError for an address such as s3://bucket, which would be made as a folder.

    >>> workspace_folder("lab").name
    'lab'
    """
    if re.match(r"[A-Za-z][\w+.-]+:/", str(name)):  # Path has made one slash of two
        raise InputError(
            f"workspace {name} is an address, and a workspace is a folder: films and graph need a file system that can "
            "rename and lock; give a folder, and copy backups to where you like (calcigraph backup)"
        )
    return Path(name)


def default_folder() -> Path:
    """$CALCIGRAPH_WORKSPACE, else ./calcigraph-workspace."""
    return Path(os.environ.get("CALCIGRAPH_WORKSPACE") or DEFAULT_FOLDER)


def checked_name(name: str) -> str:
    """A culture's name as given, if it can stand in a uid and a file name.

    Raises InputError otherwise.
    """
    unfit = not name or len(name) > 100 or name != name.strip() or name.startswith(".")
    if unfit or any(char in FORBIDDEN_IN_NAMES or not char.isprintable() for char in name):
        raise InputError(
            f"culture name {name!r} cannot be used: give 1 to 100 printable characters without "
            '/ \\ : * ? " < > | ~, not starting with a dot and without spaces at the ends'
        )
    return name
