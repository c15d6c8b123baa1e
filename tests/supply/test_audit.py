"""The licences of all that is locked, the bill of materials, and the engine's pin."""

from __future__ import annotations

from dataclasses import replace

import pytest
from supply import audit


@pytest.fixture(scope="module")
def parts() -> list[audit.Part]:
    return audit.parts()


def test_every_locked_package_may_be_used(parts: list[audit.Part]) -> None:
    assert [part.wrong for part in parts if part.wrong] == []
    assert len(parts) == len(audit.locked()) > 100
    needed = {part.name: part.needed for part in parts}
    assert (needed["neo4j"], needed["nd2"], needed["pytest"]) == ("required", "optional", "excluded")
    installed = [part for part in parts if part.licence]
    assert len(installed) > 0.9 * len(parts)


def test_a_licence_that_binds_the_user_is_refused(parts: list[audit.Part]) -> None:
    zarr = next(part for part in parts if part.name == "zarr")
    for licence, needed in (("AGPL-3.0-only", "excluded"), ("LGPL-3.0", "required"), ("Beerware", "optional")):
        bad = replace(zarr, licence=licence, family=audit.family(licence), needed=needed)
        assert licence in bad.wrong
    assert replace(zarr, licence="LGPL-3.0", family="LGPL", needed="optional").wrong == ""


def test_the_bill_of_materials_has_the_fields_of_cyclonedx(parts: list[audit.Part]) -> None:
    bill = audit.bill(parts)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert len({each["bom-ref"] for each in bill["components"]}) == len(parts)
    for each in bill["components"]:
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
        assert each["scope"] in ("required", "optional", "excluded")


def test_the_engine_is_pinned_with_its_reason_and_its_guards() -> None:
    assert audit.engine_pin() == []
