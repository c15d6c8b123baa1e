"""Pickles in .npy files: data is made of them, and nothing is run."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcigraph.errors import InputError, NotFoundError
from calcigraph.ingest.npy import Unread, load_npy


def write(path: Path, pickled: bytes, shape: tuple[int, ...] = ()) -> Path:
    """A .npy with objects, whose content is that pickle."""
    with path.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, {"descr": "|O", "fortran_order": False, "shape": shape})
        handle.write(pickled)
    return path


NESTED = {
    "array": np.arange(6.0).reshape(2, 3, order="F"),
    "types": [np.uint16(3), np.float32(0.5), np.bool_(True), np.str_("a"), np.datetime64("2026-01-01", "s")],
    "strings": np.array(["a", "bcd"]),
    "objects": np.array([None, {"x": (1, 2.5, 1 + 2j)}], dtype=object),
    "record": np.zeros(2, dtype=[("y", "<i4"), ("x", "<f8")]),
    "plain": [{1, 2}, frozenset("a"), b"\x00\xff", slice(1, 2), True, None, 10**30],
}


@pytest.mark.parametrize("protocol", range(6))
def test_what_numpy_saves_comes_back(tmp_path, protocol):
    path = write(tmp_path / "a.npy", pickle.dumps(np.array(NESTED, dtype=object), protocol))
    found, same = load_npy(path, "a dictionary"), np.load(path, allow_pickle=True).item()
    assert found.keys() == same.keys()
    assert (found["array"] == NESTED["array"]).all()
    assert found["array"].dtype == np.float64
    assert found["types"] == NESTED["types"]
    assert found["strings"].tolist() == ["a", "bcd"]
    assert found["objects"][1] == NESTED["objects"][1]
    assert found["record"].dtype == NESTED["record"].dtype
    assert found["plain"] == NESTED["plain"]


ATTACKS = {
    "system": b"cposix\nsystem\n(S'touch %s'\ntR.",
    "eval": b"cbuiltins\neval\n(S'open(%r, \"w\")'\ntR.",
    "getattr": b"cbuiltins\ngetattr\n(cbuiltins\ndict\nS'x'\ntR.",
    "by an attribute of numpy": b"cnumpy\nload\n(S'%s'\ntR.",
    "by a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x15ndarray.__class__.mro\x93.",
    "by numpy's testing": b"cnumpy.testing._private.utils\nruncstring\n(S'%s'\ntR.",
    "by a copy of the registry": b"ccopyreg\n_reconstructor\n(cbuiltins\nobject\nNtR.",
    "by persistent id": b"P1\n.",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_everything_else_is_refused_and_nothing_is_run(tmp_path, attack):
    mark = tmp_path / "stolen"
    body = ATTACKS[attack]
    before = set(sys.modules)
    path = write(tmp_path / "a.npy", body % str(mark).encode() if b"%" in body else body)
    with pytest.raises(InputError, match="nothing in it was run") as caught:
        load_npy(path, "what was expected")
    assert "\n" not in str(caught.value)
    assert not mark.exists()
    assert not {name for name in set(sys.modules) - before if name.startswith("numpy")}


def test_paths_and_dates_are_passed_over(tmp_path):
    path = write(tmp_path / "a.npy", pickle.dumps({"path": Path("/x"), "fs": 10.0}))
    found = load_npy(path, "a dictionary")
    assert isinstance(found["path"], Unread)
    assert found["fs"] == 10.0


def test_a_module_that_does_not_exist_is_not_looked_for(tmp_path, monkeypatch):
    """A module beside the file would be imported by a plain load."""
    (tmp_path / "pathlib_like.py").write_text("open('stolen', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=r"names pathlib_like\.X"):
        load_npy(write(tmp_path / "a.npy", b"cpathlib_like\nX\n."), "data")
    assert not (tmp_path / "stolen").exists()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_is_one_line(tmp_path, data):
    whole = pickle.dumps(np.array({"a": np.arange(5), "b": [1, "x", None]}, dtype=object))
    spoilt = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4)) if spoilt else 0):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    path = write(tmp_path / "a.npy", bytes(spoilt))
    said = ""
    try:
        load_npy(path, "a dictionary")
    except InputError as error:
        said = str(error)
    assert said == "" or said.isprintable()


def test_no_such_file(tmp_path):
    with pytest.raises(NotFoundError, match="expected a dictionary"):
        load_npy(tmp_path / "a.npy", "a dictionary")
