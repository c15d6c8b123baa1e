"""A plan of work on many recordings: a TOML file with patterns or tables of files, and the options of every step.

    [ingest]                        # options by their names on the command line
    frame-interval = 10
    [fit]                           # without this table nothing is fitted
    [events]                        # likewise
    [report]
    out = "blocker.html"
    reference = "control"           # and by = "dose", as for `calcigraph report`

    [[cultures]]
    files = "control/*.tif"         # one culture for each file
    name = "{stem}"                 # {stem} and {folder} of the file
    masks = "{folder}/{stem}_labels.tif"
    condition = "control"
    annotate = { dish = 3 }

    [[cultures]]
    table = "cultures.csv"          # columns file, name, options of ingest; all others are annotations

Paths are relative to the plan. What a culture says goes before what a table of options says.
"""

from __future__ import annotations

import csv
import glob
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from calcigraph.errors import CalcigraphError, InputError, NotFoundError, spelt
from calcigraph.ingest.options import IngestOptions, TraceOptions
from calcigraph.models.event_options import EventOptions
from calcigraph.models.table import DEFAULT_MODEL, MODELS, FitOptions
from calcigraph.naming import checked_name
from calcigraph.option import Declared, declared

TRACES = (".csv", ".tsv", ".txt", ".hdf5", ".h5", ".nwb", ".h5ad")
"""Names that end so are traces, as are folders of suite2p; all others are movies."""
STEPS = ("ingest", "fit", "events")
REPORT = "report"
PATHS = ("masks", "cellpose_model", "positions")
"""Options that name files, relative to the plan."""
OF_A_GROUP = ("files", "table", "name", "annotate")


@dataclass(frozen=True)
class Planned:
    """What a plan says of one culture; every value is checked."""

    culture: str
    source: Path
    ingest: Mapping[str, Any]
    """Fields of IngestOptions, or of TraceOptions."""
    annotate: Mapping[str, Any] = field(default_factory=dict)
    model: str = DEFAULT_MODEL
    fit: Mapping[str, Any] | None = None
    """Fields of FitOptions; None for no fit."""
    events: Mapping[str, Any] | None = None
    """Fields of EventOptions; None for no search for events."""

    @property
    def of_traces(self) -> bool:
        """Whether the recording exists only as traces."""
        return _has_traces(self.source)

    @property
    def steps(self) -> tuple[str, ...]:
        """What will be done."""
        return ("ingest", *(step for step in ("fit", "events") if getattr(self, step) is not None))

    @property
    def setting(self) -> str:
        """All of it as canonical JSON: what is kept with the culture."""
        parts: dict[str, Any] = {"file": self.source.name, "ingest": dict(self.ingest), "annotate": dict(self.annotate)}
        parts |= {"model": self.model, "fit": self.fit, "events": self.events}
        return json.dumps(parts, sort_keys=True, default=str)

    def ingest_options(self) -> IngestOptions | TraceOptions:
        """Raises InputError for values that do not go together."""
        return TraceOptions(**self.ingest) if self.of_traces else IngestOptions(**self.ingest)


@dataclass(frozen=True)
class PlannedReport:
    """The table [report] of a plan."""

    out: Path
    by: str = "condition"
    """What makes the groups that the report compares."""
    reference: str | None = None
    """The group that the others are compared with."""


@dataclass(frozen=True)
class Plan:
    """A whole plan; made by `read_plan`."""

    cultures: tuple[Planned, ...]
    """In the plan's order."""
    report: PlannedReport | None = None
    """The report to write of them; None for none."""


def read_plan(path: str | Path) -> Plan:
    """Read and check a plan.

    Parameters
    ----------
    path
        The TOML file.

    Raises
    ------
    NotFoundError
        No such plan or table, or no file fits a pattern.
    InputError
        The plan is no TOML, names an option that does not exist, gives one a value that it cannot have, or gives two
        cultures one name.
    """
    plan = Path(path).absolute()  # workers have other working folders
    try:
        content = tomllib.loads(plan.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFoundError(f"plan {plan} does not exist") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"plan {plan} cannot be read: {error}") from error
    groups = content.pop("cultures", [])
    if not isinstance(groups, list) or not groups or not all(isinstance(group, dict) for group in groups):
        raise InputError(f"plan {plan} names no cultures: expected [[cultures]] with files or a table")
    report = _report(plan, content.pop(REPORT, None))
    unknown = sorted(set(content) - set(STEPS))
    if unknown:
        there = ", ".join((*STEPS, REPORT))
        raise InputError(f"plan {plan} has {unknown[0]!r}; expected [[cultures]] and tables {there}")
    found: list[Planned] = []
    for number, group in enumerate(groups, start=1):
        where = f"plan {plan}, [[cultures]] number {number}"
        try:
            found += [_planned(plan, content, *row) for row in _rows(plan, group, where)]
        except CalcigraphError as error:
            raise type(error)(str(error) if str(error).startswith("plan ") else f"{where}: {error}") from error
    _check_names(plan, found)
    return Plan(tuple(found), report)


def plan_of_table(path: str | Path, ingest: Mapping[str, Any]) -> Plan:
    """A plan that ingests the recordings of a table, and does nothing else.

    Parameters
    ----------
    path
        The CSV: columns file, name, options of ingest; all others are annotations.
    ingest
        Options of ingest for all of them, by the names of their fields; what a row says goes before. Files are
        relative to the working folder.

    Raises
    ------
    NotFoundError, InputError
        As `read_plan`.
    """
    table = Path(path).absolute()
    flags = {each.name: each.flag.removeprefix("--") for each in declared(IngestOptions)}
    common = {
        flags[name]: _absolute(value) if name in (*PATHS, "background") else value for name, value in ingest.items()
    }
    group = {"table": table.name}
    found = [_planned(table, {"ingest": common}, *row) for row in _rows(table, group, f"table {path}")]
    _check_names(table, found)
    return Plan(tuple(found))


def _absolute(value: Any) -> Any:
    """A file of the working folder by its whole path. What is none, or has a pattern, is left as it is."""
    return str(Path(value).absolute()) if isinstance(value, str) and Path(value).exists() else value


def _report(plan: Path, said: Any) -> PlannedReport | None:
    if said is None:
        return None
    known = {"out", "by", "reference"}
    texts = isinstance(said, dict) and all(isinstance(value, str) for value in said.values())
    if not texts or not {"out"} <= set(said) <= known:
        raise InputError(
            f'plan {plan}: expected in [report] the HTML file to write, such as out = "lab.html", and at most by and '
            "reference beside it"
        )
    return PlannedReport(**said | {"out": plan.parent / said["out"]})


def _check_names(plan: Path, found: Sequence[Planned]) -> None:
    sources: dict[str, Path] = {}
    for each in found:
        if each.culture in sources:
            raise InputError(
                f"plan {plan} gives the name {spelt(each.culture)} to {sources[each.culture]} and to {each.source}: "
                'give names that differ, such as name = "{folder}-{stem}"'
            )
        sources[each.culture] = each.source


def _rows(plan: Path, group: Mapping[str, Any], where: str) -> Iterator[tuple[Path, dict[str, Any], str]]:
    """The files of a group with what it says of each, and where it says it."""
    if ("files" in group) == ("table" in group):
        raise InputError(f"{where}: give files (a pattern) or table (a CSV), and not both")
    said = {key: value for key, value in group.items() if key not in ("files", "table")}
    if "files" in group:
        patterns = group["files"] if isinstance(group["files"], list) else [group["files"]]
        for pattern in patterns:
            paths = sorted(glob.glob(str(plan.parent / str(pattern))))
            if not paths:
                raise NotFoundError(f"{where}: no file fits {str(pattern)!r} in {plan.parent}")
            for path in paths:
                yield Path(path), {"name": "{stem}", **said}, where
        return
    table = plan.parent / str(group["table"])
    for line, row in _table(table, where):
        source = row.pop("file", "")
        if not source:
            raise InputError(f"{table}, line {line}: no file; expected a column file with a path in every row")
        yield plan.parent / source, {"name": "{stem}", **said, **row}, f"{table}, line {line}"


def _table(path: Path, where: str) -> list[tuple[int, dict[str, Any]]]:
    """The rows of a CSV of cultures with their line numbers; empty fields are left out."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotFoundError(f"{where}: table {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: table {path} cannot be read as UTF-8 text: {error}") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
    rows = []
    for row in reader:
        if None in row or None in row.values():
            raise InputError(f"table {path}, line {reader.line_num}: expected {len(reader.fieldnames or [])} fields")
        fields = {key.strip(): value.strip() for key, value in row.items() if value.strip()}
        if delimiter == ";":  # then 2,5 is a number with a decimal comma
            fields = {key: re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", value) for key, value in fields.items()}
        rows.append((reader.line_num, fields))
    if not rows:
        raise InputError(f"{where}: table {path} has no row below its header")
    return rows


def _planned(plan: Path, content: Mapping[str, Any], source: Path, said: dict[str, Any], where: str) -> Planned:
    """What the plan says of one file."""
    fields = {"stem": source.name.partition(".")[0], "folder": source.parent.as_posix()}
    annotate = dict(said.pop("annotate", {}))
    name = _filled(str(said.pop("name")), fields | {"folder": source.parent.name}, where)
    of_traces = _has_traces(source)
    options = {each.flag.removeprefix("--"): each for each in declared(TraceOptions if of_traces else IngestOptions)}
    ingest: dict[str, Any] = {}
    for key, value in {**content.get("ingest", {}), **said}.items():
        option = options.get(key.replace("_", "-"))
        if option is not None:
            ingest[option.name] = _value(option, value, fields, where)
        elif key in said and where.partition(",")[0].endswith((".csv", ".tsv", ".txt")):
            annotate[key] = _annotation(value)
        else:
            raise InputError(f"{where}: ingest has no option {key!r}; it has {', '.join(options)}")
    for path in PATHS:
        if isinstance(ingest.get(path), str):
            ingest[path] = str(plan.parent / ingest[path])
    background = ingest.get("background")
    chosen = None if background is None else IngestOptions(background=background).light_off
    if chosen is not None and chosen.mask is not None:
        ingest["background"] = str(plan.parent / _filled(chosen.mask, fields, where))
    model, fit = _fit(content, where)
    planned = Planned(
        culture=checked_name(name),
        source=source,
        ingest=ingest,
        annotate=annotate,
        model=model,
        fit=fit,
        events=_of(EventOptions, content["events"], "events", where) if "events" in content else None,
    )
    planned.ingest_options()
    return planned


def _has_traces(source: Path) -> bool:
    """Whether a file or folder is brought in as traces."""
    return source.suffix.lower() in TRACES or (source / "stat.npy").is_file()


def _filled(text: str, fields: Mapping[str, str], where: str) -> str:
    try:
        return text.format(**fields)
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(f"{where}: {text!r} may have {{stem}} and {{folder}} only") from error


def _fit(content: Mapping[str, Any], where: str) -> tuple[str, Mapping[str, Any] | None]:
    if "fit" not in content:
        return DEFAULT_MODEL, None
    said = dict(content["fit"])
    model = said.pop("model", DEFAULT_MODEL)
    if model not in MODELS:
        raise InputError(f"{where}: unknown model {model!r}; there are {', '.join(MODELS)}")
    return model, _of(FitOptions, said, "fit", where)


def _of(kind: type, said: Mapping[str, Any], verb: str, where: str) -> dict[str, Any]:
    """The values of a class of options, checked by making it."""
    options = {each.flag.removeprefix("--"): each for each in declared(kind)}
    values: dict[str, Any] = {}
    for key, value in said.items():
        option = options.get(key.replace("_", "-"))
        if option is None:
            raise InputError(f"{where}: {verb} has no option {key!r}; it has {', '.join(options)}")
        values[option.name] = _value(option, value, {}, where)
    kind(**values)
    return values


def _value(option: Declared, value: Any, fields: Mapping[str, str], where: str) -> Any:
    """A value of TOML, or the text of a table, as the option takes it. Raises InputError for one of another type."""
    kinds = set(get_args(option.kind) or (option.kind,)) - {NoneType}
    if isinstance(value, list):
        return tuple(value)
    if kinds == {bool}:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        given = value if isinstance(value, bool) else words.get(str(value).lower())
        if given is None:
            raise InputError(f"{where}: {option.flag} is {value!r}; expected true or false")
        return option.option.when_given if given else option.default
    if isinstance(value, bool) or (isinstance(value, int | float) and kinds == {str}):
        raise InputError(f"{where}: {option.flag} is {value!r}; expected text in quotation marks")
    if isinstance(value, str) and str in kinds:
        return _filled(value, fields, where) if option.name in PATHS else value
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(value) if isinstance(value, str) or kind is float else value
            except ValueError:
                continue
    if isinstance(value, str):
        raise InputError(f"{where}: {option.flag} is {value!r}; expected a number")
    return value


def _annotation(value: Any) -> Any:
    from calcigraph.store.annotated import parsed

    return parsed(f"x={value}")[1] if isinstance(value, str) else value
