"""A short form of `make soak`, `make power`, `make full` and `make fuzz`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from breaking import fuzz, power, refusals
from breaking.disks import Disk, NoDisk
from breaking.kills import Kill, Soak
from breaking.mutants import words
from breaking.seeds import make_seeds
from breaking.traced import Job, Server

from calcigraph.store import files

pytestmark = pytest.mark.slow


def wrong(kill: Kill) -> list[str]:
    return [] if kill.well else [kill.command, str(kill.outcome.hit), kill.again, *kill.unlike, kill.outcome.stderr]


@pytest.mark.parametrize("name", ["first ingest", "ingest --replace", "events", "run"])
def test_a_killed_command_is_finished_by_the_same_one(embedded_soak: Soak, name: str) -> None:
    assert [wrong(embedded_soak.kill(name, number)) for number in range(3)] == [[]] * 3


@pytest.mark.neo4j
@pytest.mark.parametrize("name", ["ingest", "ingest-traces", "fit", "delete"])
def test_a_killed_command_is_finished_by_the_same_one_on_neo4j(neo4j_soak: Soak, name: str) -> None:
    assert [wrong(neo4j_soak.kill(name, number)) for number in range(2)] == [[]] * 2


@pytest.mark.neo4j
@pytest.mark.parametrize("name", ["first ingest", "ingest --replace", "curate", "delete"])
def test_a_killed_command_is_finished_by_the_same_one_on_object_storage(s3_soak: Soak, name: str) -> None:
    assert [wrong(s3_soak.kill(name, number)) for number in range(2)] == [[]] * 2


@pytest.mark.parametrize(("name", "error"), [("ingest", "ENOSPC"), ("fit", "EDQUOT"), ("annotate", "EROFS")])
def test_a_disk_that_takes_no_more_is_one_line(embedded_soak: Soak, name: str, error: str) -> None:
    assert wrong(refusals.refuse(embedded_soak, name, error)) == []


def test_a_quota_that_the_engine_meets_is_not_called_a_lack_of_memory(embedded_soak: Soak) -> None:
    calls = embedded_soak.count("annotate").calls
    at = next(number for number, call in enumerate(calls, 1) if call.startswith("engine pwrite64"))
    embedded_soak.stage.fresh("annotate")
    outcome = embedded_soak.server.do(replace(embedded_soak.job("annotate"), at=at, error="EDQUOT"))
    assert outcome.code == 1
    assert "takes no more" in outcome.stderr
    assert "memory" not in outcome.stderr


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    try:
        with Disk(tmp_path, power.MEGABYTES) as disk:
            yield disk
    except NoDisk as error:
        pytest.skip(str(error))


def test_power_cuts_lose_nothing_that_was_reported_as_done(embedded_soak: Soak, disk: Disk) -> None:
    stage = replace(embedded_soak.stage, disk=disk.at)
    soak = Soak(stage, embedded_soak.server, embedded_soak.random)
    ways: list[tuple[Callable[[Soak, Disk, str], Kill], str]] = [
        (power.after_success, "first ingest"), (power.after_success, "export of a file"),
        (power.in_the_middle, "first ingest"),
    ]  # fmt: skip
    assert [wrong(way(soak, disk, name)) for way, name in ways] == [[]] * 3
    with refusals.filled(disk.at, 30_000):
        stage_words = ["--workspace", str(disk.at / "other"), *stage.words["ingest"][2:]]
        outcome = soak.server.do(Job(stage_words, [str(disk.at)], str(stage.outputs)))
    assert refusals.unclear(outcome) == ""
    assert "is full" in outcome.stderr


def test_every_writing_call_is_counted_and_the_chosen_one_does_not_happen(server: Server, tmp_path: Path) -> None:
    job = Job(
        ["simulate", str(tmp_path / "a.tif"), "--cells", "16", "--frames", "4", "--size", "60"], [str(tmp_path)], "/"
    )
    whole = server.do(job)
    assert whole.code == 0
    last = max(n for n, call in enumerate(whole.calls, 1) if call.startswith("command rename"))
    for path in tmp_path.iterdir():
        path.unlink()
    killed = server.do(replace(job, at=last))
    assert (killed.code, killed.hit) == (-9, killed.calls[last - 1])
    assert not (tmp_path / "a_truth.json").exists()
    assert server.do(job).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "a_labels.tif", "a_truth.json"]


def test_a_hundred_mutants(tmp_path: Path) -> None:
    found = list(fuzz.hunt(tmp_path, 3, range(100)))
    assert len(found) == 100
    assert [each for each in found if each.what] == []
    assert {each.kind for each in found} >= {"words", "tiff", "zarr v2", "zarr v3", "plan", "csv long"}


def test_a_mutant_is_the_same_every_time(tmp_path: Path) -> None:
    import random

    assert words(list(fuzz.LINES[0]), random.Random(5)) == words(list(fuzz.LINES[0]), random.Random(5))
    assert {seed.role for seed in make_seeds(tmp_path)} == {"movie", "masks", "traces", "plan"}


def test_a_watchdog_ends_what_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(fuzz, "LONGEST_S", -9.0)
    monkeypatch.setattr(fuzz.Tried, "one", lambda self, number: time.sleep(60))
    found = list(fuzz.hunt(tmp_path, 0, [7]))
    assert [each.number for each in found] == [7]
    assert "hung" in found[0].what


def test_drafts_of_killed_writers_are_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".k.txt.partial-1-0123abcd").mkdir()
    (tmp_path / ".k.txt.partial-1-0123abcd" / "k.txt").write_text("half")
    with files.draft_folder(tmp_path / "k.txt") as live:
        files.write_atomically(tmp_path / "k.txt", lambda draft: draft.write_text("whole"))
        assert live.is_dir(), "another writer's, which lives"
    assert [path.name for path in tmp_path.iterdir()] == ["k.txt"]


def test_new_names_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(files, "flush", flushed.append)
    files.write_atomically(tmp_path / "a.txt", lambda draft: draft.write_text("a"))
    assert flushed[-1] == tmp_path, "the name is on the disk before it is told of"
    files.make_folder(tmp_path / "b" / "c")
    assert {tmp_path, tmp_path / "b"} <= set(flushed)
