"""When a server or the embedded engine is gone, and how long to wait before the next attempt."""

from __future__ import annotations

import random
import time

from calcigraph.errors import WorkspaceError
from calcigraph.store import embedded
from calcigraph.store.endpoint import Endpoint, import_driver
from calcigraph.store.refused import code_of


def is_lost(error: Exception) -> bool:
    """Whether the connection broke, or could not be made, or a server is not ready yet."""
    neo4j = import_driver()
    lost = (neo4j.exceptions.ServiceUnavailable, neo4j.exceptions.SessionExpired, OSError)
    # A server that starts again answers before its databases do.
    starting = "TransientError.General.DatabaseUnavailable" in code_of(error)
    return starting or (isinstance(error, lost) and not isinstance(error, WorkspaceError))


def owner_ended(error: Exception, endpoint: Endpoint) -> bool:
    """Whether the embedded engine is gone, or going: on its way out it refuses logins and fails transactions."""
    address = None if endpoint.folder is None else embedded.address_of(endpoint.folder)
    gone = address is None or address.port != endpoint.port or endpoint.closed  # one that could not be replaced
    return gone or is_lost(error) or "Security.Unauthorized" in code_of(error)


def pause(attempt: int) -> None:
    """Wait twice as long after each attempt, up to 2 s, give or take half: writers that collided must not again."""
    time.sleep(min(2.0, 0.02 * 2 ** min(attempt, 10)) * (0.5 + random.random()))
