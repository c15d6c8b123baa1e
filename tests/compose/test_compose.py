"""docker-compose.yml and the Dockerfile, where no engine runs: by the schema of Compose, and by what they say.

compose-spec.json is that of the Compose specification (github.com/compose-spec/compose-spec, Apache License 2.0).
"""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "of-the-tests"
_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


class UnsetError(Exception):
    """A variable that has to be set, and is not."""


def interpolated(text: str, **environment: str) -> str:
    """A text with its variables replaced, as Compose does it."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        if environment.get(found["name"]):
            return environment[found["name"]]
        if found["kind"] != "-":
            raise UnsetError(found["name"])
        return str(found["rest"])

    return _VARIABLE.sub(value, text)


def compose(**environment: str) -> dict[str, Any]:
    """What Compose is told."""
    text = (ROOT / "docker-compose.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(interpolated(text, **environment))
    return found


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return compose(NEO4J_PASSWORD=PASSWORD)


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    return jsonschema.Draft7Validator(schema)


def test_it_is_a_compose_file(told: dict[str, Any], validator: Any) -> None:
    assert [error.message for error in validator.iter_errors(told)] == []


@pytest.mark.parametrize(
    ("service", "key", "value"),
    [
        ("neo4j", "port", ["1:1"]),
        ("worker", "depends_on", {"neo4j": {"condition": "up"}}),
        ("neo4j", "volumes", "data"),
    ],
)
def test_the_schema_finds_what_is_wrong(validator: Any, service: str, key: str, value: Any) -> None:
    wrong = compose(NEO4J_PASSWORD=PASSWORD)
    wrong["services"][service][key] = value
    assert list(validator.iter_errors(wrong))


def test_there_is_no_password_but_the_users(told: dict[str, Any]) -> None:
    with pytest.raises(UnsetError, match="NEO4J_PASSWORD"):
        compose()
    for name, service in told["services"].items():
        secrets = [value for key, value in service["environment"].items() if re.search("AUTH|PASSWORD", key)]
        assert secrets, name
        assert all(value.removeprefix("neo4j/") == PASSWORD for value in secrets), name


def test_what_runs_calcigraph_gets_the_login_of_the_object_storage(told: dict[str, Any]) -> None:
    """And none where there is none: a variable without a value is the one of whoever runs Compose, or is not set."""
    read = set(re.findall(r"AWS_[A-Z0-9_]+", (ROOT / "store" / "storage.py").read_text()))
    of_files = {name for name in read if re.search("PROFILE|_FILE$", name)}  # no container sees ~/.aws
    for name, service in told["services"].items():
        passed = {key: value for key, value in service["environment"].items() if key.startswith("AWS_")}
        assert passed == ({} if name == "neo4j" else dict.fromkeys((read - of_files) | {"AWS_SESSION_TOKEN"})), name
    place = compose(NEO4J_PASSWORD=PASSWORD, CALCIGRAPH_LAB="s3://films/ann")
    for name in ("worker", "calcigraph"):
        assert told["services"][name]["environment"]["CALCIGRAPH_WORKSPACE"].startswith("/lab/")
        assert place["services"][name]["environment"]["CALCIGRAPH_WORKSPACE"] == "s3://films/ann"


def test_the_page_names_every_variable() -> None:
    page = (ROOT / "docs" / "lab.md").read_text()
    text = (ROOT / "docker-compose.yml").read_text()
    given = {found["name"] for found in _VARIABLE.finditer(text) if found["name"]}
    passed = set(compose(NEO4J_PASSWORD=PASSWORD)["services"]["worker"]["environment"]) - {
        "HOME",
        "CALCIGRAPH_WORKSPACE",
    }
    assert {name for name in given | passed if f"`{name}`" not in page} == set()


def test_what_runs_is_watched_and_starts_after_what_it_needs(told: dict[str, Any]) -> None:
    services = told["services"]
    assert set(services) == {"neo4j", "scheduler", "worker", "calcigraph"}
    # Without a profile only Neo4j starts: that needs no image to be built.
    assert [name for name, service in services.items() if "profiles" not in service] == ["neo4j"]
    for name, service in services.items():
        assert ("healthcheck" in service) == (name != "calcigraph"), name  # the command ends by itself
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in services[needed], f"{name} waits for {needed}"


def test_nothing_listens_beyond_this_machine_and_no_host_is_named(told: dict[str, Any]) -> None:
    for name, service in told["services"].items():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert "/" not in service["image"], name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in told["volumes"] or source.startswith("."), name
    for file in ("docker-compose.yml", "Dockerfile", "docker/pinned.py", ".dockerignore"):
        text = (ROOT / file).read_text()
        assert not re.search(r"https?://|--index|--find-links|--extra-index|\.io/|\.org/", text), file


@pytest.mark.parametrize("name", ["scheduler", "worker"])
def test_dask_takes_these_options(told: dict[str, Any], name: str) -> None:
    service = told["services"][name]
    words = [*service["entrypoint"], *service["command"]]
    shown = subprocess.run(
        [sys.executable, "-m", *words[:2], "--help"], capture_output=True, text=True, check=True
    ).stdout
    for option in [word for word in words if word.startswith("--")]:
        positive = option.replace("--no-", "--")
        assert option in shown or positive in shown, option


@pytest.mark.parametrize("name", ["scheduler", "worker"])
def test_health_is_asked_in_python_that_compiles(told: dict[str, Any], name: str) -> None:
    program, python, option, code = told["services"][name]["healthcheck"]["test"]
    assert (program, python, option) == ("CMD", "python", "-c")
    compile(code, name, "exec")


# The Dockerfile.


def instructions() -> list[tuple[str, str]]:
    """Name and words of every instruction of the Dockerfile, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line.split(None, 1)[0], " ".join(line.split(None, 1)[1].split())) for line in lines]


KNOWN = {"FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD"}


def test_the_image_is_built_in_two_stages_and_does_not_run_as_root() -> None:
    told = instructions()
    assert {name for name, _ in told} <= KNOWN
    images = [words for name, words in told if name == "FROM"]
    assert images == ["python:3.11-slim AS build", "python:3.11-slim"]
    last = told[max(number for number, (name, _) in enumerate(told) if name == "FROM") :]
    assert [words for name, words in last if name == "USER"] == ["calcigraph"]
    assert all(isinstance(json.loads(words), list) for name, words in told if name in ("ENTRYPOINT", "CMD"))
    for name, words in told:
        if name == "RUN":
            subprocess.run(["sh", "-n", "-c", words], check=True)


def test_only_what_the_lock_names_is_installed() -> None:
    installs = [
        part for name, words in instructions() if name == "RUN" for part in words.split("&&") if "install" in part
    ]
    packages, calcigraph = (part.split() for part in installs if part.split()[0] == "uv")
    assert {"--require-hashes", "--constraint", "requirements.lock"} <= set(packages)
    assert {"--no-deps", "--no-build-isolation"} <= set(calcigraph)
    assert next(part.split()[-1] for part in installs if part.split()[0] != "uv").startswith("uv==")


def test_the_pins_are_those_of_the_lock() -> None:
    extras = next(words for name, words in instructions() if name == "ARG").partition("=")[2].strip('"')
    told = compose(NEO4J_PASSWORD=PASSWORD)["services"]["worker"]["build"]["args"]["EXTRAS"]
    assert told == extras
    text = _pinned(*extras.split()).stdout
    lock = (ROOT / "requirements.lock").read_text()
    assert all(line in lock for line in text.splitlines())
    names = re.findall(r"^([\w.-]+)==", text, re.MULTILINE)
    assert {"arcadedb", "distributed", "neo4j", "setuptools", "nd2", "cellpose", "obstore"} <= set(names)
    assert not {"pytest", "mypy", "napari"} & set(names)
    blocks = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    assert "there is no extra 'all'" in _pinned("all").stderr


def _pinned(*extras: str) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, str(ROOT / "docker" / "pinned.py"), *extras]
    return subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)


def test_what_is_copied_into_the_image_is_there() -> None:
    lines = (ROOT / ".dockerignore").read_text().split()
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert lines[0] == "*"
    assert [name for name in kept if not (ROOT / name).exists()] == []
    # All rooms of the package, and what builds it.
    rooms = [path.name for path in (ROOT / "calcigraph").iterdir() if path.is_symlink()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {*rooms, "calcigraph", "setup.py", "README.md", *project["license-files"]} <= set(kept)
    copied = [words.split()[:-1] for name, words in instructions() if name == "COPY" and "--from" not in words]
    for source in [each for words in copied for each in words if each != "."]:
        assert any(fnmatch.fnmatch(source, name) or source.startswith(f"{name}/") for name in kept), source
