"""An option is written once: the field that declares it makes the command line, its limits and its help."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from calcigraph import FitOptions, IngestOptions, SyntheticOptions, TraceOptions
from calcigraph.cli import app
from calcigraph.cli.options import takes
from calcigraph.models.table import MODELS, TABLE, BoundOptions
from calcigraph.option import Declared, Option, check_limits, declared, value_of

COMMANDS = {"fit": FitOptions, "ingest": IngestOptions, "ingest-traces": TraceOptions, "simulate": SyntheticOptions}


@dataclass(frozen=True)
class Look:
    """Options of a command that does not exist."""

    width_in: Annotated[float, Option("Width.", "Size", flag="--width", unit="inches", low=1, high=20)]
    copies: Annotated[int, Option("How many.", low=1)] = 1
    wide: Annotated[bool, Option("Twice as wide.")] = False
    smooth: Annotated[bool | None, Option("Leave it rough.", flag="--rough", when_given=False, stands_for=True)] = None
    step: Annotated[float | None, Option("Step.", stands_for=0.5)] = None
    hidden: Annotated[int, Option("Only for Python.", command_line=False)] = 7
    plain: int = 3

    def __post_init__(self) -> None:
        check_limits(self, lambda each, value: ValueError(f"{each.name} is {value}"))


@pytest.fixture
def look() -> tuple[typer.Typer, list[Any]]:
    """A command that takes Look, and what it was called with."""
    made, called = typer.Typer(), list[Any]()

    @made.command()
    @takes(Look)
    def draw(
        name: Annotated[str, typer.Argument()],
        *,
        options: Look,
        copies: int,
        loud: Annotated[bool, typer.Option("--loud")] = False,
    ) -> None:
        called.extend((name, options, copies, loud))

    return made, called


def test_a_command_gets_the_dataclass(look: tuple[typer.Typer, list[Any]]) -> None:
    made, called = look
    words = ["a", "--width", "3", "--wide", "--rough", "--step", "0.1", "--copies", "4", "--loud"]
    result = CliRunner().invoke(made, words)
    assert result.exit_code == 0, result.output
    name, options, copies, loud = called
    assert (name, copies, loud) == ("a", 4, True)
    assert options == Look(width_in=3.0, wide=True, smooth=False, step=0.1)


def test_what_is_not_given_is_the_fields_default(look: tuple[typer.Typer, list[Any]]) -> None:
    made, called = look
    assert CliRunner().invoke(made, ["a", "--width", "3"]).exit_code == 0
    assert called[1] == Look(width_in=3.0)
    assert called[1].smooth is None


def test_a_required_field_is_a_required_option(look: tuple[typer.Typer, list[Any]]) -> None:
    result = CliRunner().invoke(look[0], ["a"])
    assert result.exit_code == 2
    assert "--width" in result.output


def test_help_is_the_fields(look: tuple[typer.Typer, list[Any]]) -> None:
    said = CliRunner().invoke(look[0], ["--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert "Step; default: 0.5." in said
    assert "Only for Python" not in said
    assert said.index("Width.") > said.index("Size")


def test_what_none_stands_for() -> None:
    assert (value_of(Look(1.0), "smooth"), value_of(Look(1.0), "step"), value_of(Look(1.0), "copies")) == (True, 0.5, 1)
    assert value_of(Look(1.0, step=2.0), "step") == 2.0


@pytest.mark.parametrize(
    "values",
    [
        {"width_in": 0.5},
        {"width_in": 21},
        {"width_in": float("nan")},
        {"width_in": 2.0, "copies": 0},
        {"width_in": 2.0, "copies": 1.5},
        {"width_in": 2.0, "copies": True},
    ],
)
def test_values_outside_the_limits_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=" is "):
        Look(**values)


@pytest.mark.parametrize(("name", "options"), COMMANDS.items())
def test_the_command_line_is_made_of_the_fields(name: str, options: type) -> None:
    """Flag, help and panel of every declared option, and no other place that sets its default."""
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    by_flag = {flag: each for each in command.params for flag in each.opts}
    for each in declared(options):
        if not each.option.command_line:
            assert each.flag not in by_flag
            continue
        shown = by_flag[each.flag]
        assert shown.help.startswith(each.option.help.removesuffix("."))
        assert shown.rich_help_panel == each.option.panel
        if not isinstance(each.default, bool | None) and not shown.required:
            assert shown.default == each.default


@pytest.mark.parametrize("options", COMMANDS.values())
def test_every_field_declares_itself(options: type) -> None:
    assert {each.name for each in declared(options)} == {field.name for field in fields(options)}
    assert all(each.option.help.endswith(".") for each in declared(options))


def test_every_option_belongs_to_all_models_or_names_its_own() -> None:
    """What a model does not have is refused for it, by the table alone."""
    of_models = {each.name for row in TABLE for part in row.options for each in declared(part)}
    common = {each.name for each in declared(FitOptions)} - of_models
    assert {"case", "setup", "weights", "null"} <= common
    for row in TABLE:
        own = {each.name for part in row.options for each in declared(part)}
        settings = set(row.settings(FitOptions()))
        assert own <= settings
        assert settings <= own | common | set(row.recorded) | {"seed"}
    assert tuple(row.name for row in TABLE) == MODELS


def test_bounds_in_the_help_are_the_tables() -> None:
    said = {each.name: each.option.help for each in declared(BoundOptions)}
    assert "0.001 0.1 (crlsm)" in said["k_bounds"]
    assert "-3e-5 0.1 (crlsm)" in said["feed_bounds"]


def test_a_declared_option_knows_its_flag() -> None:
    assert [each.flag for each in declared(Look)[:3]] == ["--width", "--copies", "--wide"]
    assert all(isinstance(each, Declared) for each in declared(Look))
