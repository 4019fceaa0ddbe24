"""The results as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.differential.cases import Case, Kind, Outcome

Row = tuple[Case, Mapping[str, Outcome]]
OURS = "Scopegate"
STRICT = (Kind.REFUSED, Kind.WAITED, Kind.CUT)

INTRODUCTION = """\
# The same messages through five proxies

Two programs that read one message differently are how requests are smuggled past whoever decides. This page puts the same raw bytes to
Scopegate and to four other proxies, and says what each made of them. `make differential` writes it; the tests put every case to
Scopegate again and compare.

Each is a plain reverse proxy with stock settings: one listener, one origin, nothing else switched on or off (nginx therefore speaks
HTTP/1.0 to the origin). All of them can be made stricter by their settings. The programs: {versions}.

| word | meaning, for a case about a request | meaning, for a case about an answer |
|---|---|---|
| refused 400 | the proxy answered, and the origin got nothing | the client got the proxy's own fault |
| closed | the proxy hung up without a word, and the origin got nothing | the client got nothing |
| waited | the origin got nothing, and the proxy waited for more | the client got nothing in time |
| answered 301 | the proxy answered with a success or a redirect of its own | |
| cut | the origin got a part, and could see that | the client got a part, and could see that |
| changed | the origin got a whole request without the odd thing | the client got a whole answer without the odd thing |
| passed | the origin got the odd thing as it came | the client got the odd thing as it came |
| poisoned | | the next request on the connection was answered with bytes of this answer |

`×2`: the origin saw two requests. Changing is not always worse than refusing, and for some cases it is what the standard asks for; the rows
in which another proxy is stricter than Scopegate are listed with the reason [below](#where-another-proxy-is-stricter).

## In short

"""


def page(rows: Sequence[Row], versions: Mapping[str, str]) -> str:
    """Return the whole page."""
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    parts = [INTRODUCTION.format(versions=told), _summary(rows, list(versions))]
    groups = dict.fromkeys(case.group for case, _ in rows)
    parts += [f"\n## {group}\n\n" + _table([row for row in rows if row[0].group == group], list(versions)) for group in groups]
    parts.append(_stricter(rows))
    return "".join(parts)


def _summary(rows: Sequence[Row], names: list[str]) -> str:
    odd = [outcomes for case, outcomes in rows if not case.legitimate]
    good = [outcomes for case, outcomes in rows if case.legitimate]
    lines = [_line([f"of {len(odd)} odd messages", *names]), "|---" * (len(names) + 1) + "|\n"]
    lines += [
        _line([label, *(str(sum(row[name].kind in kinds for row in odd)) for name in names)])
        for label, kinds in (
            ("refused, closed, waited for or cut", STRICT),
            ("answered by the proxy itself", (Kind.ANSWERED,)),
            ("changed", (Kind.CHANGED,)),
            ("passed", (Kind.PASSED,)),
            ("poisoned", (Kind.POISONED,)),
        )
    ]
    lines.append(_line([f"of {len(good)} legitimate messages: delivered", *(_delivered(good, name) for name in names)]))
    return "".join(lines)


def _delivered(good: Sequence[Mapping[str, Outcome]], name: str) -> str:
    return str(sum(row[name].kind in (Kind.PASSED, Kind.CHANGED) for row in good))


def _table(rows: Sequence[Row], names: list[str]) -> str:
    head = _line(["case", *names]) + "|---" * (len(names) + 1) + "|\n"
    return head + "".join(_line([_name(case), *(outcomes[name].text() for name in names)]) for case, outcomes in rows)


def _name(case: Case) -> str:
    return f"{case.name} (legitimate)" if case.legitimate else case.name


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def is_stricter(theirs: Outcome, ours: Outcome) -> bool:
    """Say whether another proxy let less through: refusing, cutting and waiting count alike."""
    return _rank(theirs) > _rank(ours)


def _rank(outcome: Outcome) -> int:
    return int(Kind.CUT) if outcome.kind in STRICT else min(int(outcome.kind), int(Kind.CUT))


def _stricter(rows: Sequence[Row]) -> str:
    lines = ["\n## Where another proxy is stricter\n\n", _line(["case", "stricter", "Scopegate", "why"]), "|---|---|---|---|\n"]
    for case, outcomes in rows:
        ours = outcomes[OURS]
        others = [f"{name} ({outcomes[name].text()})" for name in outcomes if is_stricter(outcomes[name], ours)]
        if others and not case.legitimate:
            lines.append(_line([f"{case.group}: {case.name}", ", ".join(others), ours.text(), case.because or "not explained yet"]))
    return "".join(lines)
