"""A stage on each engine, made once, and the server that runs commands on it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from breaking.kills import Soak, object_storage
from breaking.stage import make_stage
from breaking.traced import Server, why_not
from jars import Unavailable


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


@pytest.fixture(scope="session")
def s3_soak(server: Server, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Soak]:
    """A workspace on object storage, its graph on a Neo4j."""
    if os.environ.get("CALCIGRAPH_REQUIRE_NEO4J") != "1":
        pytest.importorskip("obstore")
    neo4j = request.getfixturevalue("neo4j_server")
    home = tmp_path_factory.mktemp("stored")
    with ExitStack() as stack:
        try:
            storage = stack.enter_context(object_storage(home / "storage"))
        except Unavailable as error:
            if os.environ.get("CALCIGRAPH_REQUIRE_NEO4J") == "1":
                pytest.fail(f"no S3 server for tests: {error}")
            pytest.skip(f"no S3 server for tests: {error}")
        yield Soak(make_stage(home / "stage", neo4j, storage), server, random.Random(3))
