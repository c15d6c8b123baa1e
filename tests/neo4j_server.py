"""A real Neo4j for tests: a container of docker-compose.yml, or a Java process made from Maven's jars."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from jars import Unavailable, fetched

from calcigraph.store.endpoint import import_driver

REPOSITORY = Path(__file__).resolve().parents[1]
RECIPE = Path(__file__).resolve().parent / "neo4j"
JARS = REPOSITORY / ".cache" / "neo4j-5.26.12"
JAVA_OPTIONS = [
    "-Xmx1g",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
]


@dataclass(frozen=True)
class Neo4jServer:
    """A Neo4j that the tests may wipe."""

    uri: str
    username: str
    password: str = field(repr=False)
    database: str = "neo4j"
    process: JavaProcess | None = field(default=None, repr=False)
    """Where the tests started it themselves: they may kill it too."""

    def environment(self) -> dict[str, str]:
        return {
            "NEO4J_URI": self.uri,
            "NEO4J_USERNAME": self.username,
            "NEO4J_PASSWORD": self.password,
            "NEO4J_DATABASE": self.database,
        }

    def execute(
        self, text: str, database: str | None = None, password: str | None = None, **parameters: object
    ) -> None:
        login = (self.username, password or self.password)
        with import_driver().GraphDatabase.driver(self.uri, auth=login) as driver:
            driver.execute_query(text, parameters, database_=database or self.database)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def container() -> Iterator[Neo4jServer]:
    """Neo4j from docker-compose.yml under a project name of the tests' own, volumes removed at the end."""
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        raise Unavailable("no docker engine runs here") from None
    password, port = secrets.token_hex(12), free_port()
    environment = os.environ | {
        "NEO4J_PASSWORD": password,
        "NEO4J_BOLT_PORT": str(port),
        "NEO4J_HTTP_PORT": str(free_port()),
    }
    compose = ["docker", "compose", "-p", f"calcigraph-tests-{port}", "-f", str(REPOSITORY / "docker-compose.yml")]
    try:
        up = subprocess.run([*compose, "up", "-d", "--wait"], env=environment, capture_output=True, text=True)
        if up.returncode:
            raise Unavailable(f"docker compose failed: {up.stderr.strip()[-300:]}")
        yield Neo4jServer(f"bolt://127.0.0.1:{port}", "neo4j", password)
    finally:
        subprocess.run([*compose, "down", "-v"], env=environment, capture_output=True)


class JavaProcess:
    """A Neo4j of its own on the databases below a folder, as a Java process that ends with the tests."""

    def __init__(self, home: Path, jars: Path) -> None:
        self.port = free_port()
        self._home, self._jars = home, jars
        self._process: subprocess.Popen[str] | None = None
        self._drain: threading.Thread | None = None

    def start(self) -> None:
        """Return when it has started. Raises Unavailable."""
        classes = [*JAVA_OPTIONS, "-cp", f"{self._jars}/*", str(RECIPE / "Server.java")]
        command = ["java", *classes, str(self._home), str(self.port)]
        with (self._home / "server.log").open("w") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=self._home
            )
        self._process = process
        assert process.stdout is not None
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        try:
            if not any(line.strip() == "started" for line in process.stdout):
                raise Unavailable(f"Neo4j did not start: {(self._home / 'server.log').read_text()[-300:]}")
        finally:
            watchdog.cancel()
        self._drain = threading.Thread(target=process.stdout.read, daemon=True)
        self._drain.start()

    def kill(self) -> None:
        """End it at once, as `kill -9` does."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def stop(self) -> None:
        """Have it end, and wait for that."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._drain is not None:
            self._drain.join()
        process.stdout.close()


@contextmanager
def java_server(home: Path) -> Iterator[Neo4jServer]:
    """Neo4j as a Java process that ends with the tests, its jars fetched by Maven once."""
    process, password = JavaProcess(home, fetched_jars()), secrets.token_hex(12)
    try:
        process.start()
        server = Neo4jServer(f"bolt://127.0.0.1:{process.port}", "neo4j", password, process=process)
        change = "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $new"
        server.execute(change, database="system", password="neo4j", new=password)
        _wait_for(server)
        yield server
    finally:
        process.stop()


def _wait_for(server: Neo4jServer) -> None:
    for _ in range(100):
        try:
            return server.execute("RETURN 1")
        except import_driver().exceptions.Neo4jError:
            time.sleep(0.1)
    raise Unavailable("Neo4j started but its database did not come up")


def fetched_jars() -> Path:
    """The folder of Neo4j's jars, fetched on first use."""
    return fetched(RECIPE, JARS)
