from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from proxy.settings.extras import NO_EXPORTER, is_installed
from tests.unit.settings.samples import VENDOR, loaded, problems, write

BAD_ENDPOINT = "must be an address such as http://127.0.0.1:4318 or https://collector.example.com/otlp/v1/traces"


def otlp(text: str) -> str:
    return VENDOR + f"tracing: {{otlp: {{{text}}}}}\n"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
        ("https://Collector.example.com", "https://collector.example.com/v1/traces"),
        ("https://collector.example.com/otlp/v1/traces", "https://collector.example.com/otlp/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ],
)
def test_the_path_of_a_collector_need_not_be_given(tmp_path: Path, given: str, meant: str) -> None:
    settings = loaded(tmp_path, otlp(f"endpoint: '{given}'")).settings.tracing
    assert settings.otlp is not None
    assert (settings.otlp.endpoint, settings.otlp.ratio, settings.pass_to_vendor) == (meant, 1.0, True)


def test_headers_are_secrets(tmp_path: Path) -> None:
    settings = loaded(tmp_path, otlp("endpoint: 'http://h', headers: {X-Key: '${KEY}'}"), {"KEY": "canary"}).settings
    assert settings.tracing.otlp is not None
    assert settings.tracing.otlp.headers["X-Key"].reveal() == b"canary"
    assert "canary" not in repr(settings.tracing.otlp) + repr(settings.tracing.otlp.headers)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("endpoint: 'http://h', raito: 1", "7:40: tracing.otlp.raito: unknown key; did you mean 'ratio'?"),
        ("ratio: 0.5", "7:11: tracing.otlp.endpoint: is required"),
        ("endpoint: collector:4317", f"7:18: tracing.otlp.endpoint: {BAD_ENDPOINT}"),
        ("endpoint: 'http://h/a?b'", f"7:18: tracing.otlp.endpoint: {BAD_ENDPOINT}"),
        ("endpoint: 'http://u:p@h'", "7:18: tracing.otlp.endpoint: must not contain a user name or password"),
        ("endpoint: 'http://h', ratio: 2", "7:40: tracing.otlp.ratio: must be at most 1"),
        ("endpoint: 'http://h', headers: {Content-Type: x}", "must not name what every request to the collector has"),
        ("endpoint: 'http://h', headers: {'a b': x}", "must have 1 to 64 letters, digits and '-'"),
        ("endpoint: 'http://h', headers: {a: \"x\\ny\"}", "must have values of printable ASCII"),
        ("endpoint: 'http://h', ca_file: ca.pem", "tracing.otlp.ca_file: is for https:// only"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, problem: str) -> None:
    (told,) = problems(tmp_path, otlp(text))[:1]
    assert problem in told


def test_a_library_is_there_or_not() -> None:
    assert is_installed("json.decoder")
    assert not is_installed("no_such_package")
    assert not is_installed("no_such_package.of.any.kind")


@pytest.mark.parametrize(
    ("command", "text", "status"),
    [
        ("check-config", otlp("endpoint: 'http://h'"), 4),
        (("serve", "--config"), otlp("endpoint: 'http://h'"), 4),
        ("check-config", VENDOR, 0),
    ],
)
def test_without_the_extra_the_message_says_how_to_install_it(
    tmp_path: Path, command: str | tuple[str, ...], text: str, status: int
) -> None:
    program = "import sys; sys.modules['opentelemetry'] = None; from proxy.__main__ import main; sys.exit(main())"
    words = (command,) if isinstance(command, str) else command
    line = [sys.executable, "-c", program, *words, str(write(tmp_path, text))]
    ended = subprocess.run(line, capture_output=True, text=True, check=False, timeout=50)
    assert ended.returncode == status, ended.stdout + ended.stderr
    assert (f"7:11: tracing.otlp: {NO_EXPORTER}" in ended.stdout + ended.stderr) == (status == 4)
