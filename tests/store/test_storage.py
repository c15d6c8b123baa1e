"""Where object storage is and who asks, from the environment and the files of the AWS tools; places on it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from calcigraph.errors import InputError, MissingExtraError
from calcigraph.naming import workspace_at
from calcigraph.store import location, objects, storage
from calcigraph.store.objects import ObjectPath

ROOT = ObjectPath("lab", "films")


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def test_a_profile_of_the_aws_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(
        "[default]\nregion = eu-west-1\n[profile lab]\nregion = eu-central-1\nendpoint_url = https://s3.lab.org:9000\n"
    )
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = one\naws_secret_access_key = p%d\n[lab]\naws_access_key_id = two\n"
        "aws_secret_access_key = q\naws_session_token = t\n"
    )
    assert storage._settings() == {"region": "eu-west-1", "access_key_id": "one", "secret_access_key": "p%d"}
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert storage._settings() == {
        "region": "eu-central-1",
        "endpoint": "https://s3.lab.org:9000",
        "access_key_id": "two",
        "secret_access_key": "q",
        "session_token": "t",
    }
    # The environment counts more; a login there is whole, so that none is mixed with that of a profile.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:word@127.0.0.1:9000")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "three")
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert storage._settings() == {"region": "us-west-2", "endpoint": "http://user:word@127.0.0.1:9000"}
    assert storage._address() == "http://127.0.0.1:9000"


def test_nothing_said_is_the_storage_of_aws() -> None:
    assert storage._settings() == {"region": "us-east-1"}
    assert storage._address() == "https://s3.amazonaws.com"


def test_profiles_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "lab")
    with pytest.raises(InputError, match=r"AWS_PROFILE is 'lab': .* have no such profile"):
        storage._settings()
    (tmp_path / "config").write_text("[profile lab]\nsso_session = x\nsso_account_id = 1\n")
    with pytest.raises(InputError, match="aws configure export-credentials --profile lab --format env"):
        storage._settings()
    (tmp_path / "config").write_text("no section\n")
    with pytest.raises(InputError, match="cannot be read"):
        storage._settings()


def test_a_missing_library_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(MissingExtraError, match=r"with obstore, which .*: pip install 'calcigraph\[s3\]'"):
        ROOT.read_bytes()


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEO4J_URI", "bolt://127.0.0.1")
    assert workspace_at("s3://lab/films/") == ROOT == workspace_at(ROOT) == workspace_at(Path("s3://lab/films"))
    assert str(workspace_at("s3://lab")) == "s3://lab"
    assert workspace_at("s3-notes/2026") == Path("s3-notes/2026")
    assert pickle.loads(pickle.dumps(ROOT)) == ROOT == ROOT.resolve()


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Any:
    obstore = pytest.importorskip("obstore")
    store = obstore.store.MemoryStore()
    monkeypatch.setattr(objects, "bucket", lambda name: store)
    return store


def test_a_place_is_read_as_a_folder_is(memory: Any, tmp_path: Path) -> None:
    for root in (ROOT, tmp_path):
        for name in ("a/0", "a/b/1", "a.x/2", "ab c%/3"):
            if isinstance(root, Path):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(name.encode() * 3)
        assert location.names_in(root) == ["a", "a.x", "ab c%"]
        assert location.names_in(root / "none") == []
        assert location.files_below(root / "a") == ["0", "b/1"]
        assert location.relative(root / "a" / "b", root) == "a/b"
        assert location.span(root / "a/0", 1, 4) == b"/0a/"
        assert location.span(root / "a/0", -4, 4) == b"0a/0"
        assert b"".join(location.pieces(root / "a/b/1")) == b"a/b/1" * 3
        assert (root / "a").is_dir()
        assert (root / "a/0").exists()
        assert not (root / "b").is_dir()
        assert not (root / "a/x").exists()
        location.replace_file(root / "a/0", root / "a/c/4")
        assert (root / "a/c/4").read_bytes() == b"a/0" * 3
        location.remove_below(root / "a")
        assert location.names_in(root) == ["a.x", "ab c%"]
        with pytest.raises(FileNotFoundError):
            location.digest_of(root / "a/0")
    assert [each.name for each in (ROOT / "a").beginning_so()] == ["2", "3"]
    assert location.digest_of(ROOT / "a.x/2") == location.digest_of(tmp_path / "a.x/2")
