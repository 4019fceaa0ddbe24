"""The engines: each is set up once with all rules, makes what it needs for a case beforehand, and decides."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import count
from typing import Any

import casbin
import cedarpy
import regopy

from bench.engines import rules as words
from bench.engines.rules import Case, Rules
from bench.gates import FINGERPRINTER, VENDOR, make_gate, make_head, path_of
from proxy.catalogs.catalog import Catalog
from proxy.credentials import Secret
from proxy.grants import NEVER, GrantStore, Knowledge
from proxy.model import Grants, Permit, Source
from proxy.prediction import predict
from proxy.telemetry.exchange import Decision


class Engine(ABC):
    """Decides cases. What `prepare` does is not counted."""

    @abstractmethod
    def prepare(self, case: Case) -> Any:
        """Return what `decide` is given."""

    @abstractmethod
    def decide(self, prepared: Any) -> bool:
        """Say whether it is permitted."""


# --- ours ------------------------------------------------------------------------------------------------


class Predict(Engine):
    """The pure function alone; nothing is remembered."""

    def prepare(self, case: Case) -> Any:
        return case.operation, Grants(case.scopes, complete=True)

    def decide(self, prepared: Any) -> bool:
        return isinstance(predict(*prepared), Permit)


class First(Engine):
    """The whole decision of the gate on a request that was not seen before."""

    repeats = False

    def __init__(self, catalog: Catalog, cases: Sequence[Case]) -> None:
        self._store = GrantStore()
        self._serials = count(10_000_000)
        for case in cases:
            known = Knowledge(Grants(case.scopes, complete=True), Source.TOKEN_RESPONSE, 0.0, NEVER)
            self._store.put(FINGERPRINTER(VENDOR, Secret(case.token)), known)
        self._ask = make_gate(catalog, self._store).open

    def prepare(self, case: Case) -> Any:
        known = self._store.get(FINGERPRINTER(VENDOR, Secret(case.token)), 0.0)
        assert known is not None
        target = path_of(case.operation.route, str(next(self._serials)))
        return case.operation.method, target, make_head(case.token, self.repeats), known.memo

    def decide(self, prepared: Any) -> bool:
        method, target, fields, memo = prepared
        memo.clear()
        return self._ask(method, target, fields).decision is Decision.PERMIT


class Again(First):
    """The same on a request that came on its connection twice already."""

    repeats = True

    def prepare(self, case: Case) -> Any:
        method, target, fields, _ = prepared = super().prepare(case)
        for _ in range(2):
            self._ask(method, target, fields)
        return prepared

    def decide(self, prepared: Any) -> bool:
        method, target, fields, _ = prepared
        return self._ask(method, target, fields).decision is Decision.PERMIT


# --- Cedar -----------------------------------------------------------------------------------------------


def _asked(case: Case) -> dict[str, Any]:
    names = {"principal": ("Token", case.token), "action": ("Action", case.operation.id), "resource": ("Api", VENDOR)}
    return {part: {"type": kind, "id": name} for part, (kind, name) in names.items()}


class Cedar(Engine):
    """Policies and entities are parsed once. `grouped`: a policy for each set of scopes, not for each operation."""

    def __init__(self, rules: Rules, cases: Sequence[Case], grouped: bool = True) -> None:
        text = words.cedar_grouped(rules) if grouped else words.cedar_each(rules)
        self._policies = cedarpy.PolicySet.from_str(text)
        tokens = {case.token: words.cedar_token(case.token, case.scopes) for case in cases}
        actions = words.cedar_groups(rules) if grouped else []
        self._entities = cedarpy.Entities.from_json_str(json.dumps([*actions, *tokens.values()]))

    def prepare(self, case: Case) -> Any:
        return _asked(case)

    def decide(self, prepared: Any) -> bool:
        return bool(cedarpy.is_authorized(prepared, self._policies, self._entities).allowed)


class CedarGiven(Cedar):
    """The token is handed over with each question, as whoever keeps tokens elsewhere has to."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules, ())

    def prepare(self, case: Case) -> Any:
        return _asked(case), json.dumps([words.cedar_token(case.token, case.scopes)])

    def decide(self, prepared: Any) -> bool:
        asked, token = prepared
        return bool(cedarpy.is_authorized(asked, self._policies, self._entities.with_added_json_str(token)).allowed)


# --- casbin ----------------------------------------------------------------------------------------------


class Casbin(Engine):
    """`fast`: it looks the lines of an operation up by key instead of trying all."""

    def __init__(self, rules: Rules, fast: bool) -> None:
        model = casbin.FastModel([1]) if fast else casbin.Model()
        model.load_model_from_text(words.CASBIN_MODEL)
        self._enforcer = casbin.FastEnforcer(model, cache_key_order=[1]) if fast else casbin.Enforcer(model)
        self._enforcer.add_function("holds", words.holds)
        self._enforcer.model.add_policies("p", "p", words.casbin_lines(rules))

    def prepare(self, case: Case) -> Any:
        return case.scopes, case.operation.id

    def decide(self, prepared: Any) -> bool:
        return bool(self._enforcer.enforce(*prepared))


# --- Rego ------------------------------------------------------------------------------------------------


class Rego(Engine):
    """The module is compiled once, into a bundle; the input is made and set with each question."""

    def __init__(self, rules: Rules) -> None:
        self._rego = regopy.Interpreter()
        self._rego.add_module("scopegate.rego", words.REGO_MODULE)
        self._rego.add_data(words.rego_data(rules))
        self._bundle = self._rego.build(None, [words.REGO_RULE])

    def prepare(self, case: Case) -> Any:
        return {"operation": case.operation.id, "scopes": sorted(case.scopes)}

    def decide(self, prepared: Any) -> bool:
        given = regopy.Input(prepared)  # it is read by the interpreter as long as it answers
        self._rego.set_input(given)
        answer = self._answer()  # an undefined one has no expressions, and permits nothing
        return list(answer[0].expressions) == [True]

    def _answer(self) -> Any:
        return self._rego.query_bundle_entrypoint(self._bundle, words.REGO_RULE)


class RegoQuery(Rego):
    """Asked with a query, as in its first example: module and query are compiled for each."""

    def _answer(self) -> Any:
        return self._rego.query("data.scopegate.allow")
