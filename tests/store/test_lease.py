"""One writer at a time on object storage, tried on a storage in memory."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from calcigraph.errors import StorageError
from calcigraph.store import lease, objects
from calcigraph.store.lease import Lease, alive, take
from calcigraph.store.objects import ObjectPath

obstore = pytest.importorskip("obstore")
PLACE = ObjectPath("lab", "movies/.a.lock")


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A storage, and leases that are short."""
    store = obstore.store.MemoryStore()
    monkeypatch.setattr(objects, "bucket", lambda name: store)
    monkeypatch.setattr(lease, "RENEW_S", 0.1)
    monkeypatch.setattr(lease, "STALE_S", 0.8)
    monkeypatch.setattr(lease, "_LOOK_S", 0.05)
    return store


@pytest.fixture
def held() -> Iterator[Lease]:
    mine = take(PLACE)
    assert mine is not None
    yield mine
    mine.release()


def test_a_second_writer_is_refused_as_long_as_the_first_renews(held: Lease) -> None:
    tag = PLACE.tag()
    assert take(PLACE) is None
    assert alive(PLACE)
    assert PLACE.tag() != tag
    assert held.held()


def test_what_is_given_back_is_free_at_once() -> None:
    for _ in range(2):
        mine = take(PLACE)
        assert mine is not None
        mine.release()
    assert PLACE.tag() is None
    assert not alive(PLACE)


def left_by(machine: str, pid: int) -> None:
    PLACE.write_bytes(json.dumps({"machine": machine, "pid": pid, "token": "t"}).encode())


def test_one_that_nobody_renews_is_taken_over_after_a_while() -> None:
    left_by("another machine", 1)
    begin = time.monotonic()
    mine = take(PLACE)
    assert mine is not None
    assert time.monotonic() - begin >= lease.STALE_S
    mine.release()


def test_that_of_a_process_of_this_machine_that_is_dead_is_taken_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "STALE_S", 60)
    dead = subprocess.Popen(["true"])
    dead.wait()
    left_by(lease._machine(), dead.pid)
    assert not alive(PLACE)
    mine = take(PLACE)
    assert mine is not None
    mine.release()


@pytest.mark.parametrize("left", [b"", b"[]", b"{}", b'{"machine": 3}', b"\xff"])
def test_a_damaged_one_is_waited_for_too(left: bytes) -> None:
    PLACE.write_bytes(left)
    mine = take(PLACE)
    assert mine is not None
    mine.release()


def test_a_writer_that_was_asleep_is_told_that_it_lost_it(held: Lease) -> None:
    left_by("another machine", 1)
    assert not held.held()
    assert not held.held()  # nor does it put itself back
    held.release()
    assert json.loads(PLACE.read_bytes())["machine"] == "another machine"


def test_a_renewal_whose_answer_was_lost_is_no_loss(held: Lease) -> None:
    held._tag = '"a tag of before"'
    assert held.held()


def test_a_storage_that_does_not_keep_conditions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ObjectPath.put
    monkeypatch.setattr(ObjectPath, "put", lambda self, data, mode="overwrite": real(self, data))
    with pytest.raises(StorageError, match="does not keep conditional puts"):
        take(PLACE)
    assert PLACE.tag() is None
