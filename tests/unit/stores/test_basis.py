from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.catalogs.catalog import Catalog, compile_catalog
from proxy.model import AnyToken, NotKnown, OneOf, Operation, ScopeInfo
from proxy.stores.basis import knowledge_basis
from tests.unit.settings.samples import CATALOG

ROW = Operation("8x8", "records", "GET", "/records", OneOf((("CDR",),)), partial=frozenset("ab"))
GRANTS = ({"user": "u", "pbx": ("p",), "categories": ("CDR",)},)


def catalog(row: Operation = ROW, **more: Any) -> Catalog:
    return compile_catalog("8x8", [row], **{"scopes": {"CDR": ScopeInfo("CDR", changeable=True)}, "aliases": {"cdr": "CDR"}, **more})


@pytest.mark.parametrize(
    "other",
    [
        catalog(replace(ROW, requirement=AnyToken())),
        catalog(replace(ROW, requirement=NotKnown())),
        catalog(replace(ROW, requirement=OneOf((("CDR", "Work"),)))),
        catalog(replace(ROW, requirement=OneOf((("CDR",), ("Work",))))),
        catalog(replace(ROW, partial=frozenset("a"))),
        catalog(replace(ROW, route="/other")),
        catalog(aliases={}),
        catalog(scopes={"CDR": ScopeInfo("CDR", changeable=False)}),
    ],
)
def test_whatever_decides_how_an_exchange_is_understood_changes_the_basis(other: Catalog) -> None:
    assert knowledge_basis("8x8", other, GRANTS) != knowledge_basis("8x8", catalog(), GRANTS)


def test_configured_grants_and_the_kind_are_part_of_it() -> None:
    bases = {
        knowledge_basis("8x8", catalog(), GRANTS),
        knowledge_basis("8x8", catalog(), ()),
        knowledge_basis("generic", catalog(), GRANTS),
    }
    assert len(bases) == 3


def test_texts_for_people_are_not() -> None:
    described = catalog(scopes={"CDR": ScopeInfo("CDR", "Call detail records", remediation=("Ask.",), changeable=True)})
    assert knowledge_basis("8x8", described, GRANTS) == knowledge_basis("8x8", catalog(), GRANTS)


def test_it_is_the_same_in_every_process() -> None:
    """Sets have another order in each; a basis that followed it would drop everything at every restart."""
    program = (
        "from proxy.settings import read_catalog; from proxy.stores.basis import knowledge_basis;"
        f"print(knowledge_basis('ringcentral', read_catalog({CATALOG.encode()!r}, 'c').catalog, ()))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=Path(__file__).parents[3], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
