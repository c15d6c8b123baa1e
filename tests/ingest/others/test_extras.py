"""Libraries that are not installed, and those that help must not load."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from calcigraph.errors import MissingExtraError
from calcigraph.ingest import read_masks


def test_a_missing_library_is_one_line(tmp_path, monkeypatch, read):
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "rois.zip").write_bytes(b"PK")
    for name in ("h5py", "roifile"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"a\.h5: .* h5py, .*pip install 'calcigraph\[formats\]'") as caught:
        read(tmp_path / "a.h5")
    assert "\n" not in str(caught.value)
    with pytest.raises(MissingExtraError, match=r"roifile, .*pip install 'calcigraph\[formats\]'"):
        read_masks(str(tmp_path / "rois.zip"), (4, 4))


@pytest.mark.parametrize(
    ("library", "mark"), [("pynwb", {"nwb_version": "2.8.0"}), ("anndata", {"encoding-type": "anndata"})]
)
def test_a_missing_library_of_exchange(tmp_path, monkeypatch, read, library, mark):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update(mark)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"{library}, .*pip install 'calcigraph\[exchange\]'"):
        read(tmp_path / "a.h5")


@pytest.mark.parametrize("command", [[], ["ingest"], ["ingest-traces"]])
def test_help_loads_none_of_them(command):
    script = (
        "import sys; from calcigraph.cli.app import run; code = run([*sys.argv[1:], '--help']);"
        "heavy = {'h5py', 'pynwb', 'anndata', 'roifile', 'scipy', 'pandas', 'cv2'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_a_table_needs_none_of_them(tmp_path):
    script = (
        "import sys\nfrom calcigraph.ingest import ingest_traces\nfrom calcigraph.ingest.options import TraceOptions\n"
        "ingest_traces(sys.argv[1], culture='a', options=TraceOptions(frame_interval_s=1.0))\n"
        "print(sorted({'h5py', 'pynwb', 'anndata', 'roifile', 'pandas'} & set(sys.modules)))"
    )
    rows = "\n".join(",".join(map(str, row)) for row in np.arange(12).reshape(2, 6))
    (tmp_path / "t.csv").write_text(f"Mean1,XM1,YM1,Mean2,XM2,YM2\n{rows}\n")
    command = [sys.executable, "-c", script, str(tmp_path / "t.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
