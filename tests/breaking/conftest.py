"""A stage on each engine, made once, and the server that runs commands on it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from breaking.kills import Soak
from breaking.stage import make_stage
from breaking.traced import Server, why_not


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def embedded_soak(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Soak:
    return Soak(make_stage(tmp_path_factory.mktemp("embedded")), server, random.Random(1))


@pytest.fixture(scope="session")
def neo4j_soak(server: Server, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Soak:
    neo4j = request.getfixturevalue("neo4j_server")
    return Soak(make_stage(tmp_path_factory.mktemp("soaked"), neo4j), server, random.Random(2))
