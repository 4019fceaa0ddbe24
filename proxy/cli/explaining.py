"""`scopegate explain`: the proxy's own answer to one question, without traffic."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click

from proxy.cli import running_proxy
from proxy.cli.exits import DENIED, INVALID, OK, UNDECIDED, UNEXPECTED
from proxy.cli.output import complain, print_columns, print_json, print_links, print_paragraph, print_steps
from proxy.decision.asking import Asked, Caller, ask, given_scopes
from proxy.grants import NEVER, Knowledge
from proxy.identity.clients import Client
from proxy.model import Deny, Indeterminate, Mode, NotApplicable, Permit, Prediction, Source
from proxy.policy import rules as policy
from proxy.protocol.targets import BadTarget, Target, parse_target
from proxy.settings import KINDS, Loaded, Problems, allowances, builtin_config_directory, implications, load_catalog, load_settings
from proxy.vendors.base import Vendor
from proxy.vendors.facts import Issued
from proxy.vendors.registry import make_vendor
from proxy.vendors.seen import Seen

BUILT_IN: Final = tuple(kind for kind in KINDS if kind != "generic")
"""The kinds with a shipped catalogue."""

_ORIGIN: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_CODES: Final = {"permit": OK, "deny": DENIED}
_COLOURS: Final = {"permit": "green", "deny": "red"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `scopes` are all the token holds (None: nothing is known), `user` whose token it is, `client` who asks."""

    vendor: str
    method: str
    path: str
    scopes: str | None
    user: str
    client: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """By which a question is decided."""

    vendor: Vendor
    implied_by: Mapping[str, frozenset[str]]
    mode: Mode = Mode.ENFORCE
    caller: Caller | None = None


def explain(question: Question, file: Path | None, *, as_json: bool) -> int:
    """Print the decision; return the exit code that goes with it."""
    rules = _shipped_rules(question.vendor) if file is None else _configured_rules(question, file)
    if isinstance(rules, Problems):
        click.echo(str(rules), err=True)
        return INVALID
    target, knowledge = _target(question.path), _knowledge(rules.vendor, question)
    asked = ask(rules.vendor, rules.implied_by, question.method, target, knowledge, rules.caller)
    if not isinstance(asked, Asked):
        raise click.BadParameter(asked.detail, param_hint="PATH")
    if as_json:
        print_json(asked.members)
    else:
        _print_text(asked.members, question, rules.mode)
    return DENIED if asked.objection is not None else exit_code(asked.prediction)


def explain_for_token(question: Question, fingerprint: str, admin: str, *, as_json: bool) -> int:
    """Print what a running proxy decides about a token that it has seen; return the exit code that goes with it."""
    path = _ORIGIN.sub("", question.path, count=1) or "/"
    digits = running_proxy.check_fingerprint(fingerprint)
    answer = running_proxy.explain_for_token(admin, question.vendor, digits, question.method, path, question.client)
    if isinstance(answer, running_proxy.NoAnswer):
        complain(answer.detail)
        return UNDECIDED if answer.status in (404, 422) else UNEXPECTED
    if as_json:
        print_json(answer)
    else:
        _print_text(answer, question, Mode.ENFORCE)
    return _CODES.get(str(answer["decision"]), UNDECIDED)


def exit_code(prediction: Prediction) -> int:
    """Return the exit code for a prediction."""
    match prediction:
        case Permit():
            return OK
        case Deny():
            return DENIED
        case Indeterminate() | NotApplicable():
            return UNDECIDED


# --- what is asked --------------------------------------------------------------------------------------


def _shipped_rules(kind: str) -> Rules | Problems:
    if kind not in BUILT_IN:
        raise click.BadParameter(f"is none of {', '.join(BUILT_IN)}; other vendors need --config", param_hint="--vendor")
    source = load_catalog(builtin_config_directory() / "catalogs" / f"{kind}.yaml")
    return source if isinstance(source, Problems) else Rules(make_vendor(kind, kind, source.catalog), source.catalog.implied_by)


def _configured_rules(question: Question, file: Path) -> Rules | Problems:
    loaded = load_settings(file, os.environ)
    if isinstance(loaded, Problems):
        return loaded
    names = [client.name for client in loaded.settings.clients]
    if question.client and question.client not in names:
        raise click.BadParameter(f"the configuration has {', '.join(names) or 'no clients'}", param_hint="--client")
    if question.vendor not in loaded.settings.vendors:
        raise click.BadParameter(f"the configuration has only {', '.join(loaded.settings.vendors)}", param_hint="--vendor")
    return _rules_of(question.vendor, question.client, loaded)


def _rules_of(name: str, client: str, loaded: Loaded) -> Rules:
    settings, catalog = loaded.settings.vendors[name], loaded.catalogs[name]
    vendor = make_vendor(settings.kind, name, catalog, settings.grants_as_mappings())
    mode = loaded.settings.mode_for(name, client) if client else loaded.settings.mode_for(name)
    own = policy.Rules(settings.on_unknown_operation, settings.on_unknown_token, allowances(loaded.settings, name, catalog))
    return Rules(vendor, implications(settings, catalog), mode, Caller(Client(client), own) if client else None)


def _target(path: str) -> Target:
    target = parse_target((_ORIGIN.sub("", path, count=1) or "/").encode("utf-8", "surrogateescape"))
    if isinstance(target, BadTarget):
        raise click.BadParameter(f"the proxy would answer 400 ({target.reason}): {target.detail}", param_hint="PATH")
    return target


def _knowledge(vendor: Vendor, question: Question) -> Knowledge | None:
    if question.scopes is not None:
        return given_scopes(vendor, split_scopes(question.scopes), question.user)
    return _configured(vendor, question.user) if question.user else None


def split_scopes(text: str) -> frozenset[str]:
    """Read scopes separated by blanks, or by commas where there is one (names of 8x8's API products have blanks)."""
    names = text.split(",") if "," in text else text.split()
    return frozenset(name.strip() for name in names if name.strip())


def _configured(vendor: Vendor, user: str) -> Knowledge | None:
    """Return what the proxy would know from its configuration once this user has logged in."""
    form = urlencode({"grant_type": "password", "username": user}).encode()
    answer = b'{"access_token":"none","token_type":"bearer","expires_in":60}'
    for endpoint in vendor.catalog.token_endpoints:
        seen = Seen("POST", Target(endpoint.path, None), None, {}, form, 200, answer)
        for fact in vendor.learn(seen):
            if isinstance(fact, Issued) and fact.source is Source.CONFIGURED:
                return Knowledge(fact.grants, fact.source, 0.0, NEVER, fact.subject)
    return None


# --- the answer for people ------------------------------------------------------------------------------


def _print_text(members: Mapping[str, Any], question: Question, mode: Mode) -> None:
    verdict, path = str(members["decision"]), _target(question.path).path  # without its query: a pasted one may hold a token
    click.echo(f"{click.style(verdict.upper(), fg=_COLOURS.get(verdict, 'yellow'), bold=True)}  {members['method']} {path}")
    print_columns(_facts(members, question), indent="  ")
    click.echo()
    print_paragraph(members["explanation"])
    if mode is not Mode.ENFORCE:
        whose = "This client's" if question.client else "This vendor's"
        print_paragraph(f"{whose} mode is {mode.value}: the proxy forwards the request all the same.")
    if members.get("back_in_shadow"):
        print_paragraph(
            "A false denial has put this operation back to shadow: the proxy forwards the request (scopegate report readiness)."
        )
    _print_section("How to fix it", members.get("remediation"), print_steps)
    _print_section("Documentation", members.get("documentation"), print_links)


def _facts(members: Mapping[str, Any], question: Question) -> list[tuple[str, str]]:
    known = bool(members["held"]) or question.scopes is not None
    return [
        ("operation", members["operation"] or "not in the catalogue"),
        ("route", members["route"] or "-"),
        ("needs", _needs(members["required"])),
        ("held", ", ".join(members["held"]) or ("nothing" if known else "not known")),
        ("missing", _alternatives(members["missing"]) or "-"),
        *_policy_facts(members),
    ]


def _policy_facts(members: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the operator's rules say, where a client was named."""
    asked = members.get("policy")
    return [] if asked is None else [("client", asked["client"]), ("rules", asked["objection"] or "no objection")]


def _needs(required: object) -> str:
    if isinstance(required, list):
        return _alternatives(required) or "any valid token, or none"
    return "not known"


def _alternatives(alternatives: list[list[str]]) -> str:
    return " or ".join(" and ".join(scopes) for scopes in alternatives)


def _print_section(title: str, lines: list[str] | None, printer: Callable[[list[str]], None]) -> None:
    if lines:
        click.echo(f"\n{click.style(title, bold=True)}")
        printer(lines)
