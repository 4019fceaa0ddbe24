"""Every operation of every table under many scope sets, over the wire: the verdict is right, and the vendor is contacted
exactly when it should be. Whenever the proxy denies, the vendor, asked past the proxy, refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable

import pytest

from proxy.simulators import EightByEightSimulator, NewVoiceMediaSimulator, Reply, RingCentralSimulator, Simulator
from proxy.simulators import eightbyeight as eight
from proxy.simulators import newvoicemedia as nvm
from proxy.simulators.ringcentral_accounts import App as RingCentralApp
from tests.integration.house import Answer, House, ask_directly, basic, open_house
from tests.integration.vendors import oracle
from tests.integration.vendors.oracle import Documented

ALL = frozenset(oracle.ringcentral_scopes())
RINGCENTRAL_SETS = {
    "ReadAccounts": frozenset({"ReadAccounts"}),
    "Accounts, which includes three": frozenset({"Accounts"}),
    "EditAccounts, which includes two": frozenset({"EditAccounts"}),
    "ReadCallRecording, which includes ReadCallLog": frozenset({"ReadCallRecording"}),
    "others that include one": frozenset({"EditCallLog", "Contacts", "EditPresence", "SMS"}),
    "other names": frozenset(oracle.ALIASES),
    "all but what many need": ALL - {"ReadAccounts", "EditAccounts", "Accounts", "EditExtensions", "TeamMessaging", "Glip"},
    "all": ALL,
}
WHO = {"8x8-apikey": "demo-8x8-apikey", "Accept": "application/vnd.newvoicemedia.v4+json"}


async def ask_all(house: House, simulator: Simulator, rows: Iterable[Documented], token: str) -> list[tuple[Documented, Answer]]:
    """Send every operation with one token, at most as many at a time as there are connections; check who answered."""
    asked = tuple(rows)
    simulator.journal.clear()
    answers = await asyncio.gather(*(_ask(house, simulator.vendor, number, row, token) for number, row in enumerate(asked)))
    contacted = {value.decode() for entry in simulator.journal for value in entry.header_values("X-Request-ID")}
    assert contacted == {answer.headers["X-Request-ID"] for answer in answers if not answer.local}
    assert simulator.journal.total == len(contacted)
    return list(zip(asked, answers, strict=True))


async def _ask(house: House, vendor: str, number: int, row: Documented, token: str) -> Answer:
    return await house.send(row.method, f"/{vendor}{row.path}", token, {**WHO, "X-Request-ID": f"request-{number}"})


Check = Callable[[Documented, Answer], bool]


def check(answers: Iterable[tuple[Documented, Answer]], expected: Callable[[Documented], str], refused: Check) -> None:
    """The verdict is the documented one; only a denial is answered here; and each denial is what the vendor would have said."""
    wrong = [(row.method, row.template, answer.decision, expected(row)) for row, answer in answers if answer.decision != expected(row)]
    assert wrong == []
    assert [row.template for row, answer in answers if answer.local != (answer.decision == "deny")] == []
    assert [row.template for row, answer in answers if answer.local and not refused(row, answer)] == []


def is_accepted(reply: Reply) -> bool:
    return reply.status not in {401, 403}


# --- RingCentral


def same_refusal(simulator: Simulator, token: str) -> Check:
    """Whether the proxy's answer is the vendor's to the last byte, up to the member that the proxy adds."""

    def compare(row: Documented, answer: Answer) -> bool:
        real = ask_directly(simulator, row.method, row.path, token)
        assert isinstance(real.body, bytes)
        return answer.status == real.status == 403 and answer.body.startswith(real.body.rstrip(b"\n}") + b',\n  "scopegate": {\n')

    return compare


async def ringcentral_token(house: House, client_id: str) -> str:
    form = {"grant_type": "password", "username": "amy@example.com", "password": "demo-password-amy"}
    answer = await house.send("POST", "/ringcentral/restapi/oauth/token", headers=basic(client_id), form=form)
    return str(answer.json["access_token"])


@pytest.mark.parametrize("implied", ["presume", "ignore"])
async def test_ringcentral(implied: str) -> None:
    # A simulator that does not expand scopes does not translate old names either.
    sets = RINGCENTRAL_SETS if implied == "presume" else {name: oracle.canonical(scopes) for name, scopes in RINGCENTRAL_SETS.items()}
    names = {name: f"app-{number}" for number, name in enumerate(sets)}
    apps = [RingCentralApp(names[name], "secret", " ".join(sorted(scopes))) for name, scopes in sets.items()]
    simulator = RingCentralSimulator(apps=apps, honours_included=implied == "presume")
    async with open_house(simulator, vendors={"ringcentral": {"implied_scopes": implied}}) as house:
        for name, scopes in sets.items():
            token = await ringcentral_token(house, names[name])
            held = oracle.with_included(scopes) if implied == "presume" else oracle.canonical(scopes)
            answers = await ask_all(house, simulator, oracle.ringcentral(), token)
            check(answers, lambda row, held=held: row.verdict(held), same_refusal(simulator, token))  # type: ignore[misc]


async def test_ringcentral_app_without_any_permission_is_asked_about_only_until_the_vendor_has_said_so() -> None:
    simulator = RingCentralSimulator(apps=[RingCentralApp("app", "secret", "")])
    async with open_house(simulator) as house:
        token = await ringcentral_token(house, "app")
        for _ in range(2):
            answers = await ask_all(house, simulator, oracle.ringcentral(), token)
            denied = {row for row, answer in answers if answer.local}
            accepted = {row for row in oracle.ringcentral() if is_accepted(ask_directly(simulator, row.method, row.path, token))}
            assert denied.isdisjoint(accepted)
        assert denied == {row for row in oracle.ringcentral() if row.needs}


# --- 8x8

PRODUCTS = ("analytics realtime-api", "storage", "QM - API", "vcc")
PRODUCT_LISTS = [(name,) for name in PRODUCTS] + [tuple(name for name in PRODUCTS if name != without) for without in PRODUCTS] + [PRODUCTS]


def vendor_refuses(simulator: Simulator, token: str) -> Check:
    return lambda row, _: not is_accepted(ask_directly(simulator, row.method, row.path, token, WHO))


@pytest.mark.parametrize("products", PRODUCT_LISTS, ids=", ".join)
async def test_8x8_tokens_that_list_api_products(products: tuple[str, ...]) -> None:
    simulator = EightByEightSimulator(clients=[eight.Client("app", "secret", products)])
    async with open_house(simulator) as house:
        login = await house.send("POST", "/8x8/oauth/v2/token", headers=basic("app"), form={"grant_type": "client_credentials"})
        token = login.json["access_token"]
        answers = await ask_all(house, simulator, oracle.eightbyeight(), token)
        check(answers, lambda row: row.verdict(frozenset(products)), vendor_refuses(simulator, token))


GRANTS = [
    {"user": "reporting@example.com", "pbx": ["acmecorp"], "categories": ["AGENTS"]},
    {"user": "reporting@example.com", "pbx": ["acmewest"], "categories": ["CDR"]},
]
BY_PBX = {
    "acmecorp": "deny",
    "acmewest": "permit",
    "acmewest,acmecorp": "deny",
    "acmecorp,acmewest": "deny",
    "acmewest,elsewhere": "indeterminate",
    "elsewhere": "indeterminate",
    "allpbxes": "indeterminate",
    "acmecorp,allpbxes": "indeterminate",
    "": "indeterminate",
}


@pytest.mark.parametrize("pbx", BY_PBX)
async def test_8x8_users_of_whom_the_operator_knows(pbx: str) -> None:
    simulator = EightByEightSimulator()
    form = {"username": "reporting@example.com", "password": "demo-password-reporting"}
    async with open_house(simulator, vendors={"8x8": {"grants": GRANTS}}) as house:
        token = (await house.send("POST", f"/8x8{eight.LOGIN}", headers=WHO, form=form)).json["access_token"]
        category_bound = oracle.eightbyeight_call_details(f"?pbxId={pbx}&{PERIOD}")
        answers = await ask_all(house, simulator, category_bound, token)
        check(answers, lambda _: BY_PBX[pbx], same_but_for_the_member(simulator, token))
        for _ in range(2):  # the first round teaches what the second one is denied
            for row, answer in await ask_all(house, simulator, oracle.eightbyeight(), token):
                assert not answer.local or vendor_refuses(simulator, token)(row, answer)


PERIOD = "startTime=2026-11-01%2000:00:00&endTime=2026-11-02%2000:00:00&timeZone=UTC"


def same_but_for_the_member(simulator: Simulator, token: str) -> Check:
    def compare(row: Documented, answer: Answer) -> bool:
        real = ask_directly(simulator, row.method, row.path, token, WHO)
        assert isinstance(real.body, bytes)
        return (answer.status, answer.without_member) == (real.status, json.loads(real.body))

    return compare


# --- NewVoiceMedia

SCOPES = oracle.newvoicemedia_scopes()
SCOPE_SETS = [(name,) for name in SCOPES] + [tuple(name for name in SCOPES if name != without) for without in SCOPES] + [SCOPES]
OWN = ("self:read", "self:write")


@pytest.mark.parametrize("jwt", [False, True], ids=["opaque", "jwt"])
async def test_newvoicemedia(jwt: bool) -> None:
    simulator = NewVoiceMediaSimulator(clients=[nvm.Client("app", "secret", SCOPES)], jwt_tokens=jwt)
    async with open_house(simulator) as house:
        for scopes in (*SCOPE_SETS, OWN):
            form = {"grant_type": "client_credentials", "scope": " ".join(scopes)}
            login = await house.send("POST", f"/newvoicemedia{nvm.LOGIN}", headers=basic("app"), form=form)
            token = login.json["access_token"]
            answers = await ask_all(house, simulator, oracle.newvoicemedia(), token)
            check(answers, lambda row, held=frozenset(scopes): row.verdict(held), vendor_refuses(simulator, token))  # type: ignore[misc]
