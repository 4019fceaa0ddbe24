"""Every key of a rule under `clients[].allow`, and the compiled rule that it becomes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema

from proxy.catalogs.catalog import Catalog
from proxy.policy.allowance import AllowRule
from proxy.policy.routes import parse_pattern
from proxy.settings.values import Matching, Section, ShortText, VendorName


def _read_pattern(value: object) -> str:
    if not isinstance(value, str) or len(value) > 2000:
        raise ValueError("must be a path that begins with '/': ASCII, without query")
    parse_pattern(value)
    return value


Pattern = Annotated[str, PlainValidator(_read_pattern), WithJsonSchema({"type": "string", "pattern": "^/"})]
Method = Annotated[
    str, Matching(r"(?!HEAD$)[A-Z]{1,32}", "must be a method in capital letters, such as GET (which stands for HEAD too); not HEAD")
]


class AllowSettings(Section):
    """One thing that a client may do. Every condition of a rule must hold; what no rule lets through is refused."""

    vendor: VendorName = Field(description="The vendor that the rule is about.")
    operations: Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=2000)] | None = Field(
        default=None, description="Only these operations, by their ids in the catalogue."
    )
    tags: Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Only operations with one of these tags."
    )
    routes: Annotated[tuple[Pattern, ...], Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Only routes that match one of these patterns: * is one segment, ** at the end any number of them."
    )
    methods: Annotated[tuple[Method, ...], Field(min_length=1, max_length=20)] | None = Field(
        default=None, description="Only these methods; the effective one counts, and GET stands for HEAD too."
    )
    scopes: Annotated[tuple[ShortText, ...], Field(max_length=200)] | None = Field(
        default=None,
        description="A ceiling: only what a token with these scopes alone could do; [] means what needs no scope.",
    )

    def as_rule(self, catalog: Catalog) -> AllowRule:
        """Return the compiled rule; scopes get the names that the catalogue's requirements use."""
        return AllowRule(
            operations=_set(self.operations),
            tags=_set(self.tags),
            routes=None if self.routes is None else tuple(parse_pattern(text) for text in self.routes),
            methods=_set(self.methods),
            scopes=None if self.scopes is None else catalog.canonical(self.scopes),
        )


def _set(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
