"""Transactions over Bolt that survive: retried, healed when the engine's owner ends, with one clear line on failure."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from calcigraph.errors import CalcigraphError, GraphError, InputError, LimitError, ReadOnlyError, WorkspaceError
from calcigraph.store import embedded
from calcigraph.store.endpoint import Endpoint, connection_error, import_driver, open_endpoint

if TYPE_CHECKING:
    from neo4j import ManagedTransaction, Transaction

log = logging.getLogger(__name__)

RETRY_S = 30.0
"""How long a transaction is retried after conflicts or a lost server."""
OWNERS = 8
"""How many processes that run the embedded engine may end, one after the other, during one transaction."""
DUPLICATES = 5
"""Retries of a constraint violation: racing MERGEs of one node cause it and the driver does not retry them."""

_WRITES = "the query would write or reach outside the graph; queries may only read"

Result = TypeVar("Result")
Row = dict[str, Any]


class Bolt:
    """One workspace's graph. Thread-safe; never passes to another process."""

    def __init__(self, workspace: Path, heap_mb: int) -> None:
        self._workspace = workspace
        self._heap_mb = heap_mb
        self._guard = threading.Lock()
        self._closed = False
        self.endpoint: Endpoint = open_endpoint(workspace, heap_mb)

    def close(self) -> None:
        """Close the connection; stops the embedded engine if nobody else in this process uses it."""
        with self._guard:
            self._closed = True
            self.endpoint.close()

    def require_room(self) -> None:
        """Raise WorkspaceError unless the embedded engine's disk has room for a commit."""
        if self.endpoint.folder is not None:
            embedded.require_room(self.endpoint.folder)

    def run(self, work: Callable[[ManagedTransaction], Result], *, write: bool) -> Result:
        """Do `work` in one transaction. It may be repeated, so it must be idempotent.

        Raises GraphError (server lost for good, login refused), WorkspaceError (disk full), InputError (bad Cypher).
        """
        neo4j = import_driver()
        started, attempt = time.monotonic(), 0
        while True:
            endpoint = self.endpoint
            try:
                mode = "WRITE" if write else "READ"
                with endpoint.driver.session(database=endpoint.database, default_access_mode=mode) as session:
                    return session.execute_write(work) if write else session.execute_read(work)
            except CalcigraphError:
                raise  # some of these are OSErrors too
            except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError, OSError) as error:
                attempt += 1
                self._recover(error, endpoint, attempt, time.monotonic() - started)

    def rows(self, text: str, parameters: Mapping[str, Any], *, write: bool) -> list[Row]:
        """One statement in one transaction; rows as dicts in the engine's own values."""
        log.debug("%s", text)
        return self.run(lambda tx: rows_of(tx, text, **parameters), write=write)

    def read_only(
        self, text: str, parameters: Mapping[str, Any], timeout_s: float, row_limit: int
    ) -> tuple[list[str], list[list[Any]]]:
        """See Graph.read_only."""
        outcome: list[Any] = []
        stop = threading.Event()

        def work() -> None:
            try:
                outcome.append(self._read_only(text, parameters, timeout_s, row_limit, stop))
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=work, daemon=True, name="user query")
        thread.start()
        thread.join(timeout_s + 1)  # the server's own limit speaks first where it has one
        stop.set()
        if not outcome:
            raise LimitError(_slow(timeout_s))
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        columns, rows = outcome[0]
        return columns, rows

    def _read_only(
        self, text: str, parameters: Mapping[str, Any], timeout_s: float, row_limit: int, stop: threading.Event
    ) -> tuple[list[str], list[list[Any]]]:
        deadline = time.monotonic() + timeout_s

        def work(transaction: Transaction) -> tuple[list[str], list[list[Any]]]:
            result = transaction.run(text, dict(parameters))
            rows: list[list[Any]] = []
            for record in result:
                rows.append(record.values())
                if len(rows) > row_limit:
                    raise LimitError(f"the query returns more than {row_limit} rows; add a LIMIT or aggregate")
                if time.monotonic() > deadline or stop.is_set():
                    raise LimitError(_slow(timeout_s))
            if "w" in str(result.consume().query_type):
                raise ReadOnlyError(_WRITES)
            return list(result.keys()), rows

        return self._rolled_back(work, text, timeout_s, deadline)

    def explain_type(self, text: str, parameters: Mapping[str, Any]) -> str:
        """The query type that EXPLAIN reports: "r", "w", "rw" or "s"."""

        def work(transaction: Transaction) -> str:
            return str(transaction.run("EXPLAIN " + text, dict(parameters)).consume().query_type)

        return self._rolled_back(work, text, None, float("inf"))

    def _rolled_back(
        self, work: Callable[[Transaction], Result], text: str, timeout_s: float | None, deadline: float
    ) -> Result:
        """Do a user's reading in a transaction that is never committed; once more if the engine's owner has ended."""
        neo4j = import_driver()
        attempt = 0
        while True:
            attempt += 1
            endpoint = self.healed()
            try:
                with endpoint.reader.session(database=endpoint.database, default_access_mode="READ") as session:
                    transaction = session.begin_transaction(timeout=timeout_s)
                    try:
                        return work(transaction)
                    finally:
                        transaction.close()  # rolls back
            except CalcigraphError:
                raise
            except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError, OSError) as error:
                again = endpoint.kind == "embedded" and attempt < OWNERS and time.monotonic() < deadline
                if again and _owner_ended(error, endpoint):
                    self._reopen(endpoint)
                    continue
                raise self._user_error(error, endpoint, text, timeout_s or 0, deadline) from error

    def healed(self) -> Endpoint:
        """The endpoint, re-opened first if the process that ran the embedded engine has ended."""
        if self.endpoint.kind == "embedded":
            self.run(lambda tx: tx.run("RETURN 1").consume(), write=False)
        return self.endpoint

    def _recover(self, error: Exception, endpoint: Endpoint, attempt: int, elapsed: float) -> None:
        """Return when the transaction should be tried again, else raise what went wrong."""
        neo4j = import_driver()
        late = elapsed > RETRY_S
        code = str(getattr(error, "code", "") or "")
        if "ConstraintValidationFailed" in code and attempt <= DUPLICATES:
            return _pause(attempt)
        if "TransactionTimedOut" not in code and getattr(error, "is_retryable", lambda: False)() and not _lost(error):
            if late:
                raise GraphError(
                    f"{endpoint.where} kept refusing a transaction for {RETRY_S:.0f} s because others write there; "
                    "repeat the command when it is quieter"
                ) from error
            return _pause(attempt)
        if endpoint.kind == "embedded" and attempt < OWNERS and _owner_ended(error, endpoint):
            return self._reopen(endpoint)
        if _lost(error):
            if endpoint.kind == "neo4j" and not late:
                return _pause(attempt + 3)
            raise GraphError(
                f"the connection to {endpoint.where} was lost and could not be made again; nothing is half-written, "
                "and the same command finishes the work when the server is back"
            ) from error
        if ".Security." in code or "DatabaseNotFound" in code or "DatabaseUnavailable" in code:
            raise connection_error(error, endpoint.where, endpoint.database) from error
        if endpoint.folder is not None:
            embedded.require_room(endpoint.folder)
            if "TransactionNotFound" in code:
                raise GraphError(
                    f"the graph engine ran out of memory in one transaction; nothing was changed: open the graph with "
                    f"more than its {self._heap_mb} MB of heap and repeat the command"
                ) from error
        if isinstance(error, neo4j.exceptions.ClientError) and ".Statement." in code:
            raise InputError(f"the query was refused: {_message(error)}") from error
        raise GraphError(f"{endpoint.where} failed to run a transaction ({_message(error)})") from error

    def _reopen(self, broken: Endpoint) -> None:
        """Replace a broken endpoint once, however many threads notice."""
        with self._guard:
            if self._closed:
                raise GraphError("the graph was closed while a query was under way")
            if self.endpoint is broken:
                log.info("the process that ran the graph engine has ended; opening the graph again")
                broken.close()
                self.endpoint = open_endpoint(self._workspace, self._heap_mb)

    def _user_error(
        self, error: Exception, endpoint: Endpoint, text: str, timeout_s: float, deadline: float
    ) -> CalcigraphError:
        """What to tell the author of a query that failed."""
        code = str(getattr(error, "code", "") or "")
        message = _message(error)
        if "TransactionTimedOut" in code or "Terminated" in code or time.monotonic() > deadline:
            return LimitError(_slow(timeout_s))
        if _lost(error):
            return GraphError(f"the connection to {endpoint.where} was lost while the query ran; repeat it")
        if "Security.Forbidden" in code or "AccessMode" in code:
            return ReadOnlyError(_WRITES)
        if "SyntaxError" in code and endpoint.folder is not None:
            message = embedded.explain_syntax(endpoint.folder, text) or "its syntax is wrong"
        elif "ParameterMissing" in code and endpoint.kind == "embedded":
            message = "it uses a parameter that was not given"
        elif endpoint.kind == "embedded" and code:
            message = f"{code.rpartition('.')[2]}; {endpoint.folder}/log has the details"
        return InputError(f"the query was refused: {message}")


def rows_of(transaction: ManagedTransaction, text: str, **parameters: Any) -> list[Row]:
    """Run one statement inside a transaction and return its rows."""
    result = transaction.run(text, parameters)
    names = result.keys()
    return [dict(zip(names, record.values(), strict=True)) for record in result]


def _lost(error: Exception) -> bool:
    neo4j = import_driver()
    lost = (neo4j.exceptions.ServiceUnavailable, neo4j.exceptions.SessionExpired, OSError)
    return isinstance(error, lost) and not isinstance(error, WorkspaceError)


def _owner_ended(error: Exception, endpoint: Endpoint) -> bool:
    """Whether the embedded engine is gone, or going: on its way out it refuses logins and fails transactions."""
    code = str(getattr(error, "code", "") or "")
    moved = not endpoint.owned and endpoint.folder is not None and embedded.port_of(endpoint.folder) != endpoint.port
    return _lost(error) or moved or "Security.Unauthorized" in code


def _pause(attempt: int) -> None:
    time.sleep(min(2.0, 0.02 * 2 ** min(attempt, 10)) * (0.5 + random.random()))


def _slow(timeout_s: float) -> str:
    return f"the query ran for more than {timeout_s:g} s and was ended; ask for less, or add a LIMIT"


def _message(error: Exception) -> str:
    text = str(getattr(error, "message", None) or error)
    return " ".join(text.split())[:300]
