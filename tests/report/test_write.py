"""Writing a report: what it says, how large it is, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from calcigraph.errors import InputError, NotFoundError
from calcigraph.report import write_report
from calcigraph.report.encode import quantised
from calcigraph.report.scales import colour_scale, tick_text
from calcigraph.report.sentences import estimate
from calcigraph.report.write import _ticked
from calcigraph.store.graph import Graph

Write = Callable[..., Path]


def plain(path: Path) -> str:
    """The page without scripts and styles."""
    return re.sub(r"<(script|style).*?</\1>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_page_names_warnings_options_versions_and_how_to_cite(report_of: Write) -> None:
    text = plain(report_of("a"))
    for part in ("shifted", "file:labels.tif", "checksum of the input", "ridge 0.001", "min_snr 4.0", "2505.20327"):
        assert part in text
    assert "&lt;script&gt;window.ran" in text
    assert "<script>window.ran" not in report_of("a").read_text(encoding="utf-8")


def test_nothing_in_it_points_to_a_network(report_of: Write) -> None:
    text = report_of("a").read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"']?(?:https?:)?//", text)
    assert "default-src 'none'" in text


def test_what_is_missing_is_said_with_the_command(report_of: Write) -> None:
    text = plain(report_of("bare"))
    assert "30 cells in 12 frames, not fitted yet." in text
    assert "<code>calcigraph fit bare</code>" in text
    assert "<code>calcigraph events bare</code>" in text


def test_cultures_that_cannot_be_compared_say_why(report_of: Write) -> None:
    assert "no fit of robust is stored for bare" in plain(report_of("a", "bare"))


def test_groups_may_be_those_of_an_annotation(reported: Graph, tmp_path: Path) -> None:
    reported.annotate("a", {"dish": 1})
    reported.annotate("b", {"dish": 2})
    path = write_report(reported, ["a", "b"], tmp_path / "d.html", by="dish", reference="2")
    said = unescape(plain(path))
    assert 'Coupling: "dish 1" is 0.500 times "dish 2", not tested: 1 and 1 cultures, 3 a side are needed.' in said
    assert "calcigraph compare a b --by dish --reference 2" in plain(path)
    for names, by, reference, kind, says in (
        (["a"], "dish", None, InputError, "a report of one culture compares nothing"),
        (["a", "b"], "dosis", None, NotFoundError, "none of them has an annotation dosis"),
        (["a", "b"], "condition", "nothing", InputError, "the reference nothing is none of the groups"),
    ):
        with pytest.raises(kind, match=says):
            write_report(reported, names, tmp_path / "e.html", by=by, reference=reference)
    assert not (tmp_path / "e.html").exists()


def test_commands_in_sentences_are_marked_and_nothing_is_read_as_html() -> None:
    assert str(_ticked("run `calcigraph fit <b>`, then <i>")) == (
        "run <code>calcigraph fit &lt;b&gt;</code>, then &lt;i&gt;"
    )


def test_an_experiment_stands_for_its_cultures(reported: Graph, tmp_path: Path) -> None:
    text = plain(write_report(reported, [], tmp_path / "e.html", experiment="E"))
    assert re.findall(r'data-culture="\d">([^<]+)</button>', text) == ["a", "b"]


@pytest.mark.parametrize(
    ("names", "experiment", "file", "kind", "says"),
    [
        (["nobody"], None, "r.html", NotFoundError, "no culture nobody"),
        ([], "F", "r.html", NotFoundError, "no experiment F with complete cultures; there is E"),
        ([], None, "r.html", InputError, "give one or more CULTUREs, or --experiment"),
        (["a"], "E", "r.html", InputError, "give one or more CULTUREs, or --experiment"),
        (["a"], None, "r.pdf", InputError, "a report is an HTML file"),
        (["a"], None, "nowhere/r.html", InputError, "there is no folder"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(
    reported: Graph,
    tmp_path: Path,
    names: list[str],
    experiment: str | None,
    file: str,
    kind: type[Exception],
    says: str,
) -> None:
    with pytest.raises(kind, match=says):
        write_report(reported, names, tmp_path / file, experiment=experiment)
    assert not list(tmp_path.iterdir())


def test_an_older_file_is_replaced_whole(reported: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "r.html"
    target.write_text("old")

    def broken(self: Path, *_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", broken)
        with pytest.raises(InputError, match="No space left on device"):
            write_report(reported, ["a"], target)
    assert [file.name for file in tmp_path.iterdir()] == ["r.html"]
    assert target.read_text() == "old"
    write_report(reported, ["a"], target)
    assert target.read_text(encoding="utf-8").endswith("</html>")


def test_traces_are_kept_to_half_a_step() -> None:
    traces = np.random.default_rng(0).normal(size=(5, 40))
    traces[1, 3] = np.nan
    traces[2] = 4.0
    for bits in (8, 16):
        kept = quantised(traces, bits)
        error = np.abs(kept.values() - traces)
        assert np.nanmax(error - kept.step[:, None] / 2) < 1e-12
        np.testing.assert_array_equal(np.isnan(kept.values()), np.isnan(traces))


def test_colours_diverge_about_zero_and_are_logarithmic_over_decades() -> None:
    signed = colour_scale(np.array([-1.0, 3.0]), signed=True)
    assert (signed.palette, signed.low, signed.high) == ("diverging", -signed.high, signed.high)
    wide = colour_scale(np.geomspace(1e-3, 1, 50))
    assert wide.log
    assert wide.low == pytest.approx(-3, abs=0.1)
    assert wide.plain()["ticks"][-1][1] == "0.3"
    assert (tick_text(-0.0), tick_text(12000.0)) == ("0", "12000")


def test_a_value_has_the_digits_its_interval_is_worth() -> None:
    assert estimate(0.0100, 0.0, 0.0145, "/s") == "0.0100 /s (95 % 0 to 0.0145)"
    assert estimate(-2e-9, -3e-9, -1e-9, "/s") == "−2×10⁻⁹ /s (95 % −3×10⁻⁹ to −10⁻⁹)"
    assert estimate(1.0, float("nan"), 2.0, "") == "1.00"
