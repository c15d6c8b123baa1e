"""Plans of work on what other programs have found."""

from __future__ import annotations

import json

from calcigraph.cli.app import run

PLAN = """
[ingest]
frame-interval = 5
[[cultures]]
files = "*/suite2p/plane0"
name = "dish"
neuropil = 0.5
[[cultures]]
files = "*.tsv"
positions = "places.csv"
max-missing = 0.2
"""


def test_suite2p_and_tables_in_a_plan(tmp_path, tissue, write_suite2p, capsys):
    folder = write_suite2p(tmp_path / "one" / "suite2p" / "plane0", tissue.labels, tissue.traces)
    rows = [["t_s", "ROI_1", "ROI_2", "ROI_3"], *([5.0 * t, t % 3, t % 5, t % 2] for t in range(8))]
    (tmp_path / "wide.tsv").write_text("\n".join("\t".join(map(str, row)) for row in rows))
    (tmp_path / "places.csv").write_text("cell,x,y\nROI_1,0,0\nROI_2,9,1\nROI_3,4,8\n")
    (tmp_path / "plan.toml").write_text(PLAN)
    speak = ["--workspace", str(tmp_path / "ws"), "run", str(tmp_path / "plan.toml"), "--format", "json"]
    assert folder.is_dir()
    assert run(speak) == 0
    done = json.loads(capsys.readouterr().out)
    assert [(row["culture"], row["outcome"]) for row in done] == [("dish", "done"), ("wide", "done")]
