"""The reference says what the code does, and nothing else."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from proxy import errors
from proxy.admin import guard
from proxy.cli.main import scopegate
from proxy.credentials import Secret
from proxy.decision.answers import problem_answer
from proxy.decision.closing import LEARNING_ERROR
from proxy.decision.judge import PREDICTION_ERROR
from proxy.decision.ruling import Ruling
from proxy.model import Reason, Source
from proxy.protocol import targets
from proxy.protocol.headers import RequestHead, read_request
from proxy.protocol.response_headers import read_response
from proxy.protocol.targets import BadTarget, parse_target
from proxy.settings import Loaded, Problems, parse_settings, read_catalog
from proxy.settings.catalog_schema import (
    CatalogFile,
    ErrorRow,
    OperationRow,
    RecogniseRow,
    RefusalRow,
    ResourceRow,
    ScopeRow,
    TokenEndpointRow,
    TokenPlaceRow,
)
from proxy.settings.values import Section
from proxy.telemetry.decision_log import decision_log
from proxy.telemetry.exchange import Actual, Decision, Exchange, Outcome, Predicted, ResponseKind
from proxy.telemetry.log_members import MAX_PATH
from proxy.vendors.refusals import METHOD_OVERRIDE
from tests.fakes.authority import Authority
from tests.unit.docs import tables
from tests.unit.docs.pages import DOCS, PAGES, ROOT, Block, anchors, blocks, code, codes, links, read, rows, section, without_blocks
from tests.unit.telemetry.support import INFORMED

ALL_BLOCKS = [block for page in PAGES for block in blocks(page)]


# --- settings -------------------------------------------------------------------------------------------


def test_every_setting_is_described_as_it_is() -> None:
    described = [(code(row[0]), row[1], code(row[2])) for row in rows(read("reference/settings.md")) if len(row) == 4]
    assert sorted(described) == sorted((row.name, row.value, row.default) for row in tables.settings())


def test_the_settings_named_in_reasons_exist() -> None:
    known = {row.name.removeprefix("vendors.NAME.") for row in tables.settings()}
    named = [word for word in codes(section(read("reference/reasons.md"), "## Fault reasons")) if word.startswith(("limits.", "timeouts."))]
    assert named
    assert set(named) <= known


# --- reasons --------------------------------------------------------------------------------------------


def reasons_under(heading: str) -> dict[str, list[str]]:
    return {code(row[0]): row[1:] for row in rows(section(read("reference/reasons.md"), heading))}


def test_every_denial_reason_is_described() -> None:
    assert set(reasons_under("## Denial reasons")) == {reason.value for reason in Reason}


def test_every_fault_is_described_with_its_status() -> None:
    faults = {fault.reason: str(fault.status) for fault in vars(errors).values() if isinstance(fault, errors.Fault)}
    bugs = set(reasons_under("### Bugs that did not harm the request"))
    described = {name: cells[0] for name, cells in reasons_under("## Fault reasons").items() if name not in bugs}
    assert bugs == {PREDICTION_ERROR, LEARNING_ERROR}
    of_vendors = {reason: str(errors.from_bad_target(reason, "").status) for reason in (METHOD_OVERRIDE, targets.AMBIGUOUS_PATH)}
    assert described == faults | of_vendors


def test_every_refused_target_is_described_with_an_example_that_is_refused_for_it() -> None:
    examples = {name: code(cells[0]) for name, cells in reasons_under("## Refused targets").items()}
    assert set(examples) == targets.REASONS
    refused = {name: parse_target(example.encode()) for name, example in examples.items()}
    assert {name: bad.reason for name, bad in refused.items() if isinstance(bad, BadTarget)} == {name: name for name in examples}


# --- decision log ---------------------------------------------------------------------------------------


def test_every_field_of_a_log_line_is_described() -> None:
    described = [code(row[0]) for row in rows(section(read("reference/decision-log.md"), "## Fields of a JSON line"))]
    longest = INFORMED._replace(path="/" + "x" * MAX_PATH)
    _, line = written_lines(longest)
    assert sorted(described) == sorted(line)


def test_every_field_of_a_line_that_tells_grants_is_described() -> None:
    described = [code(row[0]) for row in rows(section(read("reference/decision-log.md"), "## Sets of grants"))]
    told, _ = written_lines(INFORMED)
    assert sorted(described) == sorted(told)


def written_lines(exchange: Exchange) -> list[dict[str, Any]]:
    lines: list[bytes] = []
    decision_log(text=False, put=lines.append, key=Secret(b"k" * 32)).record(exchange)
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(("field", "values"), [("outcome", Outcome), ("actual", Actual), ("kind", ResponseKind), ("predicted", Predicted)])
def test_the_values_of_a_log_field_are_described(field: str, values: type[Outcome | Actual | ResponseKind | Predicted]) -> None:
    (meaning,) = (row[1] for row in rows(read("reference/decision-log.md")) if row[0] == f"`{field}`")
    assert {value.value for value in values} <= set(codes(meaning))


def test_every_source_of_knowledge_is_described() -> None:
    described = [code(row[0]) for row in rows(section(read("reference/decisions.md"), "## Where knowledge comes from"))]
    assert sorted(described) == sorted(source.value for source in Source)


# --- headers --------------------------------------------------------------------------------------------


def written_names(fields: bytes) -> list[str]:
    return [line.partition(":")[0] for line in fields.decode("latin-1").split("\r\n") if line]


def described_headers(heading: str) -> list[str]:
    return [code(row[0]) for row in rows(section(read("reference/headers.md"), heading))]


def test_every_header_that_is_added_to_responses_is_described() -> None:
    stamped = written_names(Ruling("id", 0.0, "GET", None).stamp(b"vendor"))
    assert described_headers("## Added to every response") == stamped
    assert all(decision.value in codes(section(read("reference/headers.md"), "## Added to every response")) for decision in Decision)


def test_every_header_of_a_fault_is_described() -> None:
    ruling = Ruling("id", 0.0, "GET", None)
    written = [name for fault in (errors.BUSY, errors.INTERNAL) for name in written_names(problem_answer(ruling, fault).fields)]
    described = {*described_headers("## Added to every response"), *described_headers("## Added to answers made here")}
    assert set(written) <= described
    assert "Retry-After" in written


def test_every_header_line_in_the_module_of_answers_is_described() -> None:
    sources = [(ROOT / "proxy" / name).read_text(encoding="utf-8") for name in ("decision/answers.py", "wire/heads.py")]
    texts = [
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes | str)
    ]
    lines = [text if isinstance(text, str) else text.decode() for text in texts]
    names = {name for text in lines for name in re.findall(r"(?:^|\\r\\n|\r\n|%b)([A-Z][A-Za-z-]+): ", text)}
    assert names - {"Host", "Transfer-Encoding"} == set(described_headers("## Added to answers made here"))


def header_like_constants() -> Iterator[bytes]:
    tree = ast.parse((ROOT / "proxy/protocol/headers.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and re.fullmatch(rb"[a-z][a-z0-9-]+", node.value):
            yield node.value


def is_dropped(name: bytes) -> bool:
    head = read_request([(b"Host", b"h"), (name, b"x")], "1.1")
    return isinstance(head, RequestHead) and b"\n" + name + b":" not in b"\n" + head.block.lower()


def test_every_header_that_is_removed_from_requests_is_named() -> None:
    dropped = {name.decode() for name in header_like_constants() if is_dropped(name)} - {"host", "connection", "scopegate-key", "scopegate"}
    named = {word.lower() for word in codes(section(read("reference/headers.md"), "## Removed from requests"))} - {"scopegate"}
    assert named == dropped


def test_what_is_said_of_responses_is_true() -> None:
    fields = [(b"Upgrade", b"h2c"), (b"X-Request-ID", b"theirs"), (b"Scopegate-Decision", b"permit"), (b"ETag", b'"1"'), (b"Trailer", b"T")]
    head = read_response(fields)
    assert head is not None
    assert head.block == b'ETag: "1"\r\n'


# --- command line ---------------------------------------------------------------------------------------


def described_commands() -> dict[str, list[str]]:
    headings = re.findall(r"^## (scopegate.*)$", read("reference/cli.md"), re.MULTILINE)
    return {heading: [", ".join(codes(row[0])) for row in rows(section(read("reference/cli.md"), f"## {heading}"))] for heading in headings}


def test_every_command_and_option_is_described() -> None:
    described = {
        heading: [", ".join(option.split()[0] for option in options.split(", ")) for options in each]
        for heading, each in described_commands().items()
    }
    expected = {
        heading_of(command): [option for option in command.options if _belongs(option, command.name)] for command in tables.commands()
    }
    assert described == expected


def heading_of(command: tables.Command) -> str:
    arguments = ["VENDOR" if "{" in argument else argument for argument in command.arguments]
    return " ".join((command.name, *arguments))


def _belongs(option: str, command: str) -> bool:
    """Every command has --help; it is described once."""
    return option != "-h, --help" or command == "scopegate"


def shown_commands() -> list[tuple[Path, str]]:
    lines = [(block.page, line) for block in ALL_BLOCKS for line in block.text.replace("\\\n", " ").splitlines()]
    return [(page, line.removeprefix("$ ")) for page, line in lines if line.startswith("$ scopegate ")]


def test_every_command_that_is_shown_can_be_parsed() -> None:
    shown = shown_commands()
    assert len(shown) > 8
    for page, line in shown:
        words = shlex.split(line.partition(" >")[0].partition(" |")[0])[1:]
        try:
            parse(scopegate, words)
        except click.UsageError as error:
            pytest.fail(f"{page.name}: {line}: {error.message}")


def parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    with command.make_context(words[0] if words else "", list(words), parent=parent) as context:
        if isinstance(command, click.Group):
            _, child, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert child is not None
            parse(child, rest, context)


def test_every_make_target_is_described_and_every_described_one_exists() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony is not None
    described = [codes(row[0])[0].removeprefix("make ") for row in rows(section(read("contributing.md"), "## Set up"))]
    assert set(described) == set(phony[1].split())


# --- admin API ------------------------------------------------------------------------------------------


def admin_calls() -> Iterator[tuple[str, str]]:
    """Yield the status and reason of every problem that the admin listener can answer with."""
    for source in sorted((ROOT / "proxy/admin").glob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Problem", "bad_request"}:
                values = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                if node.func.id == "Problem" and len(values) >= 2:
                    yield str(values[0]), str(values[1])
                elif node.func.id == "bad_request" and values:
                    yield "400", str(values[0])


def test_every_problem_of_the_admin_api_is_described_with_its_status() -> None:
    translated = {(str(status), reason) for status, (reason, _) in guard._WORDS.items()} | {("400", "bad_request")}
    table = rows(section(read("reference/admin-api.md"), "## Problems"))
    described = {(status, code(row[0])) for row in table for status in row[1].split(", ")}
    assert described == {*admin_calls(), *translated}


def test_every_path_of_the_admin_api_is_described() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "proxy/admin").glob("*.py"))
    routes = {f"{method.upper()} {path}" for method, path in re.findall(r'web\.(get|post|delete)\("([^"]+)"', source)}
    described = {code(row[0]) for row in rows(section(read("reference/admin-api.md"), "## Paths"))}
    assert described == routes


# --- catalogue ------------------------------------------------------------------------------------------

SECTIONS: dict[str, type[Section]] = {
    "## Top level": CatalogFile,
    "## operations": OperationRow,
    "## resource": ResourceRow,
    "## scopes": ScopeRow,
    "## token_endpoint": TokenEndpointRow,
    "## token_in": TokenPlaceRow,
    "## refusal": RefusalRow,
    "## recognise": RecogniseRow,
    "## errors": ErrorRow,
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_of_a_catalogue_is_described(heading: str) -> None:
    table = {code(row[0]): row[1] for row in rows(section(read("reference/catalog-format.md"), heading))}
    fields = SECTIONS[heading].model_fields
    assert set(table) == {field.alias or name for name, field in fields.items()}
    required = {field.alias or name for name, field in fields.items() if field.is_required()}
    assert {name for name, default in table.items() if default == "required"} == required


# --- examples -------------------------------------------------------------------------------------------

YAML = [block for block in ALL_BLOCKS if block.language == "yaml"]
WHOLE = [block for block in YAML if "vendors:" in block.text]
CATALOGUES = [block for block in YAML if block not in WHOLE and "operations:" in block.text]


def place(block: Block, directory: Path) -> Path:
    """Lay out a directory as the page describes it: the other files that it shows, and a certificate where one is named."""
    for other in blocks(block.page):
        if other.file:
            (directory / other.file).write_text(other.text, encoding="utf-8")
    authority = Authority(directory)
    for name in ("private-ca.pem", "clients-ca.pem"):
        authority.trust(name)
    leaf = authority.secret()
    (directory / "secret").rename(directory / "tls")
    authority.write_client(leaf)
    return directory / (block.file or "scopegate.yaml")


@pytest.mark.parametrize("block", WHOLE, ids=lambda block: block.page.stem)
def test_every_configuration_that_is_shown_is_valid(block: Block, tmp_path: Path) -> None:
    variables = dict.fromkeys(re.findall(r"\$\{([A-Z0-9_]+)\}", block.text))
    environ = {name: f"{number:064x}" for number, name in enumerate(variables)}
    loaded = parse_settings(block.text.encode(), environ, file=place(block, tmp_path))
    assert isinstance(loaded, Loaded), str(loaded)


@pytest.mark.parametrize("block", CATALOGUES, ids=lambda block: block.page.stem)
def test_every_catalogue_that_is_shown_is_valid(block: Block) -> None:
    source = read_catalog(block.text.encode(), "shown")
    assert not isinstance(source, Problems), str(source)


def test_every_yaml_block_is_one_of_them() -> None:
    assert len(WHOLE) > 5
    for block in YAML:
        assert isinstance(yaml.safe_load(block.text), dict)
        assert block in WHOLE or block in CATALOGUES


# --- texts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        goal = (page.parent / name).resolve() if name else page
        assert goal.exists(), link
        assert not anchor or anchor in anchors(goal), link


INDEXES = (DOCS / "README.md", DOCS / "runbooks" / "README.md")
"""The second one is linked from the first."""


def test_every_page_can_be_reached_from_the_index() -> None:
    reached = {(index.parent / link.partition("#")[0]).resolve() for index in INDEXES for link in links(index)}
    assert INDEXES[1] in reached
    assert {page for page in PAGES if page.parent != ROOT and page.name != "README.md"} <= reached


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_machine_and_no_registry(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:work|tmp|root|home)/|pypi\.org|pythonhosted|registry\.npmjs|index-url", text)


def test_the_import_layers_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    whole, *rooms = [contract for contract in contracts if contract["type"] == "layers"]
    layers, _, inside = section(read("explanation/architecture.md"), "## How imports point").partition("### Within a room")
    assert [codes(row[1]) for row in rows(layers)] == [[f"proxy.{module}" for module in layer.split(" | ")] for layer in whole["layers"]]
    assert {code(row[0]): [codes(layer) for layer in row[1].split("→")] for row in rows(inside)} == {
        f"{room['containers'][0].replace('.', '/')}/": [layer.split(" | ") for layer in room["layers"]] for room in rooms
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"`((?:proxy|config|tests|docs)/[\w./*-]*)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_tests_that_a_page_names_exist(page: Path) -> None:
    named = [span for span in codes(without_blocks(page)) if re.search(r"(?:^|::)test_\w+$", span)]
    assert [span for span in named if not is_test(*span.partition("::")[::2])] == []


def is_test(file: str, name: str) -> bool:
    """Say whether a file of tests has a test of this name."""
    source = ROOT / file
    return (
        bool(name)
        and source.is_file()
        and re.search(rf"^(?:async )?def {name}\(", source.read_text(encoding="utf-8"), re.MULTILINE) is not None
    )


def test_every_threat_has_a_defence_a_place_and_a_test() -> None:
    threats = [row for number in range(1, 7) for row in rows(threats_of(number))]
    assert len(threats) > 40
    assert [row[0] for row in threats if len(row) != 4 or not codes(row[2]) or "::" not in row[3]] == []


def threats_of(boundary: int) -> str:
    text = read("explanation/security.md")
    (heading,) = re.findall(rf"^## {boundary}\. .*$", text, re.MULTILINE)
    return section(text, heading)
