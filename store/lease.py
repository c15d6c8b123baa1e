"""One writer at a time of something on object storage, which knows no locks.

A lease is a small object that is put only where there is none, and put again every RENEW_S seconds, each time on
condition that it is still the writer's own. A lease that nobody renews for STALE_S seconds, by the watch of the one
who waits, is taken over: no two clocks are compared.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from calcigraph.errors import CalcigraphError, StorageError
from calcigraph.store.objects import ObjectPath

RENEW_S = 4.0
STALE_S = 24.0
_LOOK_S = 0.5
_NO_TAG = '"ffffffffffffffffffffffffffffffff"'


class Lease:
    """A lease that this process holds; made by `take`."""

    def __init__(self, place: ObjectPath, tag: str, token: str) -> None:
        self._place, self._tag, self._token, self._lost = place, tag, token, False
        self._renewing = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._ended.wait(RENEW_S):
            with suppress(CalcigraphError):  # whoever relies on it asks `held`, and is told
                self.held()

    def held(self) -> bool:
        """Renew it, and tell whether it was still this process's. Raises StorageError where that cannot be asked."""
        with self._renewing:
            if not self._lost:
                try:
                    self._tag = self._place.put(_holder(self._token), {"e_tag": self._tag})
                except FileExistsError:
                    # A request that was repeated, because its answer was lost, finds what it put itself.
                    self._lost = not self._is_own()
            return self._lost is False

    def _is_own(self) -> bool:
        try:
            tag, said = self._place.tag(), json.loads(self._place.read_bytes())
        except (OSError, ValueError):
            return False
        self._tag = tag or self._tag
        return isinstance(said, dict) and said.get("token") == self._token

    def release(self) -> None:
        """Give it back, for the next writer to take at once."""
        self._ended.set()
        self._thread.join()
        with suppress(CalcigraphError):  # whoever comes next waits until it is stale
            if self.held():
                self._place.unlink()


def take(place: ObjectPath) -> Lease | None:
    """Take a lease; None where another writer holds it. Waits up to STALE_S seconds for one that may be dead.

    Raises StorageError, also for a storage that does not keep conditions, on which two writers would overwrite each
    other.
    """
    token = secrets.token_hex(8)
    try:
        tag = place.put(_holder(token), "create")
    except FileExistsError:
        taken = _taken_over(place, token)
        if taken is None:
            return None
        tag = taken
    for condition in ("create", {"e_tag": _NO_TAG}):
        try:
            place.put(_holder(token), condition)
        except FileExistsError:
            continue
        place.unlink()
        raise StorageError(
            f"the object storage of {place} does not keep conditional puts (If-None-Match, If-Match), without which "
            "two writers would overwrite each other: use another, or a workspace in a folder"
        )
    return Lease(place, tag, token)


def alive(place: ObjectPath) -> bool:
    """Whether somebody holds a lease and renews it. Waits for that up to STALE_S seconds."""
    return _unchanged(place) == ""


def _taken_over(place: ObjectPath, token: str) -> str | None:
    tag = _unchanged(place)
    if tag == "":
        return None
    with suppress(FileExistsError):  # another has taken it meanwhile
        return place.put(_holder(token), {"e_tag": tag} if tag is not None else "create")
    return None


def _unchanged(place: ObjectPath) -> str | None:
    """The tag of a lease whose holder is dead; None where there is no lease, "" where its holder lives."""
    tag, told = place.tag(), False
    if tag is None or _died_here(place):
        return tag
    begin = time.monotonic()
    while (waited := time.monotonic() - begin) < STALE_S:
        time.sleep(_LOOK_S)
        now = place.tag()
        if now != tag:
            return "" if now is not None else None
        if waited > 2 * RENEW_S and not told:
            told = True
            logging.getLogger("calcigraph").warning(
                "%s is held by a process that does not answer: waiting %.0f s for it", place, STALE_S - waited
            )
    return tag


def _machine() -> str:
    """Where process numbers mean the same."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return " ".join(parts)


def _holder(token: str) -> bytes:
    # Never the same twice: the tag of equal contents would be equal.
    said = {"machine": _machine(), "pid": os.getpid(), "token": token, "renewed": secrets.token_hex(8)}
    return json.dumps(said).encode()


def _died_here(place: ObjectPath) -> bool:
    """Whether the holder was a process of this machine that is gone, so that nothing has to be waited for."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        said: dict[str, Any] = json.loads(place.read_bytes())
        if said.get("machine") == _machine():
            try:
                os.kill(int(said["pid"]), 0)
            except ProcessLookupError:
                return True
            except (KeyError, PermissionError):
                return False
    return False
