"""Names of cultures, and where a workspace is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from calcigraph.errors import InputError
from calcigraph.store.location import Location
from calcigraph.store.objects import ObjectPath

DEFAULT_FOLDER = "calcigraph-workspace"
FORBIDDEN_IN_NAMES = set('/\\:*?"<>|~')


def workspace_at(name: str | Path | ObjectPath) -> Location:
    """Where a workspace is: a folder, or `s3://bucket/prefix`.

    Raises InputError for other addresses, which would be made as a folder, and for s3:// without a Neo4j.

    >>> workspace_at("lab").name
    'lab'
    """
    if isinstance(name, ObjectPath):
        return name
    scheme, _, rest = str(name).partition(":/")
    if not rest or not re.fullmatch(r"[A-Za-z][\w+.-]+", scheme):
        return Path(name)
    bucket, _, key = rest.strip("/").partition("/")  # Path has made one slash of two
    if scheme != "s3" or not re.fullmatch(r"[\w.-]+", bucket) or {"", ".", ".."} & set(key.split("/") if key else ()):
        raise InputError(f"workspace {name} is no place for a workspace: give a folder, or s3://BUCKET/PREFIX")
    if not os.environ.get("NEO4J_URI"):
        raise InputError(
            f"workspace {name} is on object storage, which holds movies but no graph: set NEO4J_URI (and "
            "NEO4J_USERNAME, NEO4J_PASSWORD) to a Neo4j, or give a folder"
        )
    return ObjectPath(bucket, key)


def default_folder() -> str:
    """$CALCIGRAPH_WORKSPACE, else ./calcigraph-workspace."""
    return os.environ.get("CALCIGRAPH_WORKSPACE") or DEFAULT_FOLDER


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
