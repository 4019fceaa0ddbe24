"""AuthZEN Authorization API 1.0 (OpenID Foundation) on the admin listener: evaluation, evaluations, the searches, discovery.

A thin shell: `proxy.admin.authzen` knows the specification's rules, `Mapping` what its words mean here, and the backend decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Final, TypeVar

import orjson
from aiohttp import web

from proxy.admin.answers import JSON, Problem, json_response
from proxy.admin.authzen import (
    Action,
    Batch,
    Entity,
    Evaluation,
    Malformed,
    Members,
    Search,
    Sought,
    parse_evaluation,
    parse_evaluations,
    parse_search,
)
from proxy.admin.authzen_mapping import IDENTITY, ROUTE, Mapping, binding_parameter, is_template, unknown_type
from proxy.admin.backend import AdminBackend, Unanswerable
from proxy.admin.questions import bad_request

METADATA: Final = {
    "access_evaluation_endpoint": "/access/v1/evaluation",
    "access_evaluations_endpoint": "/access/v1/evaluations",
    "search_subject_endpoint": "/access/v1/search/subject",
    "search_action_endpoint": "/access/v1/search/action",
    "search_resource_endpoint": "/access/v1/search/resource",
}
REQUEST_ID: Final = "X-Request-ID"
_MAX_REQUEST_ID: Final = 128
_PER_TURN: Final = 50
"""Decisions made before traffic gets its turn."""

Read = TypeVar("Read")
_Answer = Callable[[Members], Awaitable[object]]


class AuthZenApi:
    """The handlers; `late.py` has the routes that lead to them. `clients` returns the names of the configured clients."""

    def __init__(self, backend: AdminBackend, clients: Callable[[], tuple[str, ...]]) -> None:
        self._backend = backend
        self._mapping = Mapping(backend, clients)

    async def configuration(self, request: web.Request) -> web.Response:
        """Say where what is served; the base is the address by which this request reached us."""
        base = f"{request.scheme}://{request.host}"
        members = {"policy_decision_point": base, **{name: base + path for name, path in METADATA.items()}, "capabilities": []}
        return _identified(request, json_response(members))

    async def evaluation(self, request: web.Request) -> web.Response:
        """Answer one question."""
        return await _answered(request, self._evaluation)

    async def evaluations(self, request: web.Request) -> web.Response:
        """Answer several questions, or as many as their semantic lets."""
        return await _answered(request, self._evaluations)

    async def subjects(self, request: web.Request) -> web.Response:
        """List the known tokens that may."""
        return await self._search(request, Sought.SUBJECT)

    async def actions(self, request: web.Request) -> web.Response:
        """List the methods of a route that a subject may use."""
        return await self._search(request, Sought.ACTION)

    async def resources(self, request: web.Request) -> web.Response:
        """List the routes that a subject may use with a method."""
        return await self._search(request, Sought.RESOURCE)

    # --- evaluations

    async def _evaluation(self, members: Members) -> object:
        return self._decide(_well_formed(parse_evaluation(members)))

    async def _evaluations(self, members: Members) -> object:
        batch = parse_evaluations(members)
        if not isinstance(batch, Batch):
            return self._decide(_well_formed(batch))
        return {"evaluations": [answer async for answer in self._each(batch)]}

    async def _each(self, batch: Batch) -> AsyncIterator[dict[str, object]]:
        for position, item in enumerate(batch.items):
            await _take_turns(position)
            answer = self._decide_item(item)
            yield answer
            if batch.semantic.ends_with(bool(answer["decision"])):
                return

    def _decide_item(self, item: Evaluation | Malformed) -> dict[str, object]:
        """Answer one of several questions; what is wrong with it is told in its place."""
        if isinstance(item, Malformed):
            return _failed(400, item.message)
        try:
            return self._decide(item)
        except Problem as problem:
            return _failed(problem.status, problem.detail)

    def _decide(self, evaluation: Evaluation) -> dict[str, object]:
        """Ask what traffic would meet: true unless the proxy would refuse the request itself."""
        question = self._mapping.question(evaluation)
        told = question if isinstance(question, Unanswerable) else self._backend.explain(question)
        if isinstance(told, Unanswerable):
            return _failed(404, told.detail)
        return {"decision": told["decision"] != "deny", "context": dict(told)}

    # --- searches

    async def _search(self, request: web.Request, sought: Sought) -> web.Response:
        return await _answered(request, lambda members: self._results(_well_formed(parse_search(sought, members))))

    async def _results(self, search: Search) -> object:
        """Return one page: what makes the evaluation true. One more is looked for, to know whether there is another page."""
        wanted, found = search.start + search.limit + 1, list[object]()
        for position, (result, evaluation) in enumerate(self._candidates(search)):
            await _take_turns(position)
            if self._decide_item(evaluation)["decision"]:
                found.append(result)
            if len(found) == wanted:
                break
        more = len(found) == wanted
        page = found[search.start : search.start + search.limit]
        return {"results": page, "page": {"next_token": str(search.start + search.limit) if more else "", "count": len(page)}}

    def _candidates(self, search: Search) -> Iterator[tuple[object, Evaluation]]:
        known = search.known
        if unknown_type(known.subject, known.resource) is not None:
            return iter(())
        vendor = self._mapping.vendor(known.resource)
        if isinstance(vendor, Unanswerable):
            return iter(())
        match search.sought:
            case Sought.SUBJECT:
                return self._tokens(vendor, known)
            case Sought.ACTION:
                return self._methods(vendor, known)
            case _:
                return self._routes(vendor, known)

    def _tokens(self, vendor: str, known: Evaluation) -> Iterator[tuple[object, Evaluation]]:
        now = self._backend.now()
        for token in self._backend.grants():
            if token.vendor == vendor and token.knowledge.at(now) is not None:
                subject = replace(known.subject, id=token.fingerprint.hex())
                yield {"type": IDENTITY, "id": subject.id}, replace(known, subject=subject)

    def _methods(self, vendor: str, known: Evaluation) -> Iterator[tuple[object, Evaluation]]:
        catalog, identifier = self._backend.catalog(vendor), known.resource.id
        rows = catalog.operations
        methods = {row.method for row in rows if row.route == identifier} if is_template(identifier) else {row.method for row in rows}
        for method in sorted(methods):
            if is_template(identifier) or catalog.find(method, identifier.partition("?")[0]) is not None:
                yield {"name": method}, replace(known, action=Action(method))

    def _routes(self, vendor: str, known: Evaluation) -> Iterator[tuple[object, Evaluation]]:
        """Yield the routes of a method; not those whose rights depend on a path parameter that was not given."""
        params = known.resource.properties.get("params")
        for row in self._backend.catalog(vendor).operations:
            binding = binding_parameter(row)
            if row.method == known.action.name and (binding is None or (isinstance(params, dict) and binding in params)):
                result = {"type": ROUTE, "id": row.route, "properties": {"vendor": vendor, "operation": row.id}}
                yield result, replace(known, resource=Entity(ROUTE, row.route, {"vendor": vendor, "params": params or {}}))


def _failed(status: int, message: str) -> dict[str, object]:
    return {"decision": False, "context": {"error": {"status": status, "message": message}}}


def _well_formed(read: Read | Malformed) -> Read:
    if isinstance(read, Malformed):
        raise bad_request("malformed_evaluation", read.message)
    return read


async def _take_turns(position: int) -> None:
    if position % _PER_TURN == _PER_TURN - 1:
        await asyncio.sleep(0)


async def _answered(request: web.Request, answer: _Answer) -> web.Response:
    """Read the body, answer it, and put the request's id on the answer, whatever the answer is."""
    try:
        return _identified(request, json_response(await answer(await _read(request))))
    except Problem as problem:
        raise Problem(problem.status, problem.reason, problem.detail, {**problem.headers, **_request_id(request)}) from None


async def _read(request: web.Request) -> Members:
    if request.content_type != JSON:  # a page in a browser cannot send this type across origins without asking first
        raise bad_request("malformed_evaluation", "send the question as application/json")
    try:
        value = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise bad_request("malformed_evaluation", "the body must be a JSON object with 'subject', 'action' and 'resource'")
    return value


def _identified(request: web.Request, response: web.Response) -> web.Response:
    response.headers.update(_request_id(request))
    return response


def _request_id(request: web.Request) -> dict[str, str]:
    """Return the request's own id as a header, where it has one that may be repeated."""
    value = request.headers.get(REQUEST_ID, "")
    return {REQUEST_ID: value} if 0 < len(value) <= _MAX_REQUEST_ID and value.isascii() and value.isprintable() else {}
