"""Servers that cannot be reached, refuse the login or are lost: one clear line each, without credentials."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calcigraph.errors import GraphError
from calcigraph.store import endpoint
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData


def test_nobody_is_listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("NEO4J_URI", f"bolt://127.0.0.1:{probe.getsockname()[1]}")
    with pytest.raises(GraphError, match="no Bolt server answers"):
        Graph.open(tmp_path)


def test_something_else_is_listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    monkeypatch.setenv("NEO4J_URI", f"bolt://127.0.0.1:{server.getsockname()[1]}")
    with pytest.raises(GraphError, match="no Bolt server answers"):
        Graph.open(tmp_path)
    thread.join()
    server.close()


@pytest.mark.parametrize("uri", ["http://host:7474", "localhost:7687", "bolt://me:secret@[::1", "nonsense"])
def test_an_address_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("NEO4J_URI", uri)
    with pytest.raises(GraphError) as error:
        Graph.open(tmp_path)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_addresses_are_named_without_logins() -> None:
    assert endpoint.address_without_login("neo4j+s://me:secret@host:1234/x") == "neo4j+s://host:1234"


@pytest.mark.neo4j
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("NEO4J_PASSWORD", "not the password", "refused the login; check NEO4J_USERNAME and NEO4J_PASSWORD"),
        ("NEO4J_DATABASE", "absent", "no database called absent"),
    ],
)
def test_what_neo4j_refuses_is_one_clear_line(
    neo4j_environment: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(GraphError, match=message) as error:
        Graph.open(tmp_path)
    assert neo4j_environment.password not in str(error.value)
    assert "not the password" not in str(error.value)


@pytest.mark.neo4j
def test_neo4j_lost_in_mid_write_is_one_clear_line(
    neo4j_environment: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_culture: Callable[..., CultureData]
) -> None:
    target = re.fullmatch(r"\w+://([^:/]+):(\d+)", neo4j_environment.uri)
    if target is None:
        pytest.skip("the Neo4j of the tests is not at a plain bolt://host:port")
    relay = Relay(target[1], int(target[2]))
    monkeypatch.setenv("NEO4J_URI", f"bolt://127.0.0.1:{relay.port}")
    monkeypatch.setattr("calcigraph.store.bolt.RESTART_S", 0.5)
    with Graph.open(tmp_path) as graph, pytest.raises(GraphError, match="was lost and could not be made again"):
        graph.write_culture(make_culture(), progress=lambda *call: relay.close())
    monkeypatch.setenv("NEO4J_URI", neo4j_environment.uri)
    with Graph.open(tmp_path) as graph:
        assert graph.incomplete() == [{"culture": "A", "state": "ingest", "cells": 30}]
        graph.write_culture(make_culture())
        assert graph.incomplete() == []
        assert graph.read("MATCH (c:Cell) RETURN count(c) AS cells") == [{"cells": 30}]


class Relay:
    """A loopback port that passes everything on until it is closed."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._open: list[socket.socket] = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            return

    def close(self) -> None:
        for end in self._open:
            with contextlib.suppress(OSError):  # its other side may have closed it already
                end.shutdown(socket.SHUT_RDWR)
            end.close()
