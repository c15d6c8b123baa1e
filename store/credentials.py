"""The embedded graph's own users: random passwords, kept where only the workspace's owner can read them."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

from calcigraph.store.files import write_atomically

ADMIN, READER = "root", "reader"
"""The engine's users: the first may do everything, the second only read."""


def stored_passwords(folder: Path) -> dict[str, str]:
    """The passwords of this graph's users, by name.

    On the first start they are made at random, together with the engine's own files of users and groups.

    Parameters
    ----------
    folder
        The graph's folder.

    Raises
    ------
    OSError
        The files cannot be read or written.
    """
    path = folder / "credentials.json"
    users = folder / "config" / "server-users.jsonl"
    if not (path.exists() and users.exists()):
        users.parent.mkdir(mode=0o700, exist_ok=True)
        made = {name: secrets.token_urlsafe(32) for name in (ADMIN, READER)}
        # The users' file comes last: while it is missing, a start that was broken off begins anew.
        write_private(path, json.dumps(made))
        write_private(folder / "config" / "server-groups.json", json.dumps(_GROUPS))
        groups = {ADMIN: "admin", READER: "reader"}
        lines = [
            json.dumps({"name": name, "databases": {"*": [groups[name]]}, "password": _hashed(password)})
            for name, password in made.items()
        ]
        write_private(users, "\n".join(lines) + "\n")
    return {str(name): str(password) for name, password in json.loads(path.read_text()).items()}


def _group(access: list[str], records: list[str]) -> dict[str, Any]:
    """A group of users: what they may do to the database, and to its records."""
    return {"resultSetLimit": -1, "readTimeout": -1, "access": access, "types": {"*": {"access": records}}}


_GROUPS = {
    "databases": {
        "*": {
            "groups": {
                "admin": _group(
                    ["updateSecurity", "updateSchema", "updateDatabaseSettings"],
                    ["createRecord", "readRecord", "updateRecord", "deleteRecord"],
                ),
                "reader": _group([], ["readRecord"]),
                "*": _group([], []),
            }
        }
    },
    "version": 2,
}
"""The engine's groups. It lets READ sessions write, so users' queries log in as a user that can only read."""


def _hashed(password: str) -> str:
    """The engine's password format; its salt is the base64 text itself."""
    salt = base64.b64encode(secrets.token_bytes(32)).decode()
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 65536, 32)
    return f"PBKDF2WithHmacSHA256$65536${salt}${base64.b64encode(key).decode()}"


def write_private(path: Path, text: str) -> None:
    """Write a text atomically, readable by its owner only (mode 0600). Raises OSError."""
    write_atomically(path, lambda draft: draft.write_text(text), mode=0o600)
