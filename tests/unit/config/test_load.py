"""soar.yaml: found, read, laid over by the environment, and everything wrong in it told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from soar.config import Settings, load_settings
from soar.errors import ConfigError

WHOLE = """\
database: sqlite:///data/soar.db
listen: "[::1]:9000"
public_url: https://soar.example.com/
playbooks: books
trusted_proxies: [10.0.0.0/8]
sources:
  siem: {kind: elastic, auth: {scheme: bearer, secret: "env:SIEM_TOKEN"}}
  splunk: {kind: splunk, auth: {scheme: path-token, secret: ["file:old", "file:/etc/new"]}}
  edge:
    kind: generic
    auth: {scheme: hmac-sha256, header: X-Signature, prefix: "sha256=", secret: "env:EDGE_SECRET"}
    allow: [192.0.2.0/24, "2001:db8::/32", 198.51.100.7]
    severity_map: {1: low, 2: 4}
connections:
  gateway: {connector: haproxy, zone: dmz, settings: {socket: /run/haproxy/admin.sock}, timeout: 5s}
  tickets: {connector: http, secrets: {token: "file:secrets/jira"}, rate_limit: {per_second: 2}}
egress: {allow: ["*.example.com"]}
limits: {body_bytes: 65536, read_timeout: 1500ms}
execution: {timeout: 2d}
people:
  ana: {email: ana@example.com, slack: "T01/U02", roles: [analyst]}
groups: {soc-leads: [ana]}
policy: policy.yaml
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "soar.yaml"


def load(file: Path, text: str) -> Settings:
    file.write_text(text)
    return load_settings(file)


def problems(file: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file, text)
    return [str(problem).replace(f"{file}:", "") for problem in caught.value.problems]


def test_all_that_can_be_set(file: Path) -> None:
    settings = load(file, WHOLE)
    folder = file.parent
    assert settings.database == f"sqlite:///{folder / 'data/soar.db'}"
    assert settings.address == ("::1", 9000)
    assert settings.public_url == "https://soar.example.com"
    assert (settings.playbooks, settings.connectors) == (folder / "books", folder / "connectors")
    assert settings.policy == folder / "policy.yaml"
    assert settings.sources["splunk"].auth.secret == (f"file:{folder / 'old'}", "file:/etc/new")
    assert settings.sources["edge"].severity_map == {"1": "low", "2": 4}
    assert settings.connections["tickets"].secrets == {"token": f"file:{folder / 'secrets/jira'}"}
    assert settings.connections["gateway"].timeout == 5
    assert (settings.limits.body_bytes, settings.limits.read_timeout) == (65_536, 1.5)
    assert settings.execution.timeout == 2 * 86_400
    assert str(settings.place("sources", "edge", "allow", 1)).endswith("soar.yaml:12:27")


@pytest.mark.parametrize("text", ["", "# nothing\n", "sources:\n", "{}"])
def test_nothing_set_is_all_defaults_or_says_what_is_wrong(file: Path, text: str) -> None:
    if text.startswith("sources"):
        assert "sources" in problems(file, text)[0]
        return
    settings = load(file, text)
    assert settings.listen == "127.0.0.1:8080"
    assert settings.sources == {}


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(file: Path) -> None:
    text = """\
databse: sqlite:///soar.db
listen: 8080
sources:
  siem: {kind: elastic}
  edge:
    kind: generic
    auth: {scheme: hmac, secret: "env:EDGE"}
    alow: [192.0.2.0/24]
limits: {body_bytes: lots, depth: 1000}
"""
    found = problems(file, text)
    assert [problem.partition(": ")[0] for problem in found] == ["1:1", "2:9", "4:9", "7:20", "8:5", "9:22", "9:35"]
    assert "there is no key 'databse'; did you mean 'database'?" in found[0]
    assert "listen: Input should be a valid string; write text" in found[1]
    assert "source 'siem' has no secret; add auth:" in found[2]
    assert "'sources.edge' has no key 'alow'; did you mean 'allow'?" in found[4]


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        ('{scheme: header, secret: "env:X"}', "scheme header needs 'header'"),
        ('{scheme: hmac-sha256, secret: "env:X"}', "scheme hmac-sha256 needs 'header'"),
        ('{scheme: bearer, header: X-Y, secret: "env:X"}', "takes no 'header' and no 'prefix'"),
        ('{scheme: path-token, prefix: "x", secret: "env:X"}', "takes no 'header' and no 'prefix'"),
        ('{scheme: basic, secret: "env:X"}', "scheme basic needs 'username'"),
        ('{scheme: bearer, username: x, secret: "env:X"}', "no other scheme takes it"),
        ('{scheme: header, header: "X Y", secret: "env:X"}', "not the name of an HTTP header"),
        ("{scheme: bearer}", "has no secret"),
        ("{scheme: bearer, secret: []}", "at least 1 item"),
        ('{scheme: bearer, secret: "env:"}', "a secret is always a reference"),
        ("{scheme: bearer, secret: null}", "secret"),
        ('{scheme: none, secret: "env:X"}', "'bearer'"),
    ],
)
def test_a_source_without_proof_does_not_load(file: Path, auth: str, reason: str) -> None:
    found = problems(file, f"sources:\n  edge:\n    kind: generic\n    auth: {auth}\n")
    assert any(reason in problem for problem in found), found


def test_a_secret_written_as_itself_is_refused_and_not_repeated(file: Path) -> None:
    plain = "sUp3r-s3cret-v4lue"
    text = f"""\
sources:
  edge: {{kind: generic, auth: {{scheme: bearer, secret: {plain}}}}}
connections:
  api: {{connector: http, secrets: {{token: {plain}}}}}
"""
    with pytest.raises(ConfigError) as caught:
        load(file, text)
    assert len(caught.value.problems) == 2
    assert "always a reference" in str(caught.value)
    assert plain not in str(caught.value)
    assert all(plain not in problem.excerpt for problem in caught.value.problems)


@pytest.mark.parametrize(
    "text",
    [
        "listen: localhost",
        "listen: 127.0.0.1:99999",
        "database: postgresql://soar@db",
        "database: mysql://soar@db/soar",
        "database: sqlite:///",
        "public_url: soar.example.com",
        "execution: {timeout: -1s}",
        "execution: {timeout: soon}",
        "limits: {read_timeout: 0}",
        "limits: {body_bytes: 1}",
        "limits: {body_bytes: true}",
        "trusted_proxies: [10.0.0.0/99]",
        'sources: {"a b": {kind: generic, auth: {scheme: bearer, secret: "env:X"}}}',
        'sources: {"../x": {kind: generic, auth: {scheme: bearer, secret: "env:X"}}}',
        'connections: {"7up": {connector: http}}',
        "groups: {leads: [nobody]}",
        "people: {ana: {phone: 1}}",
        "- a list",
        "just text",
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_with_its_place(file: Path, text: str) -> None:
    (found,) = problems(file, text)
    assert found[0].isdigit(), found


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("1.5m", 90),
        ("24h", 86_400),
        ("7d", 604_800),
        ("1w", 604_800),
        ("12", 12),
        ("0.5", 0.5),
    ],
)
def test_durations(file: Path, written: str, seconds: float) -> None:
    assert load(file, f"execution: {{timeout: {written}}}").execution.timeout == seconds


# The environment


def test_the_environment_lies_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SOAR_LISTEN": "0.0.0.0:80",
        "SOAR_LIMITS__BODY_BYTES": "2048",
        "SOAR_EXECUTION__TIMEOUT": "1h",
        "SOAR_EGRESS__ALLOW": '["a.example.com"]',
        "SOAR_SOURCES__EDGE__AUTH__SECRET": "env:OTHER",
        "SOAR_PARTS_REQUIRED": "1",
        "PATH_SOAR_X": "ignored",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load(file, WHOLE)
    assert settings.listen == "0.0.0.0:80"
    assert (settings.limits.body_bytes, settings.limits.read_timeout) == (2048, 1.5)
    assert settings.execution.timeout == 3600
    assert settings.egress.allow == ("a.example.com",)
    assert settings.sources["edge"].auth.secret == ("env:OTHER",)
    assert settings.sources["edge"].auth.prefix == "sha256="


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SOAR_LISTN", "x:1", "did you mean 'listen'"),
        ("SOAR_NOTHING__LIKE__THAT", "x", "there is no setting 'nothing'"),
        ("SOAR_EGRESS__ALLOW", "[broken", "begins like JSON and is none"),
        ("SOAR_LISTEN__PORT", "80", "holds no further settings"),
        ("SOAR_LIMITS__BODY_BYTES", "many", "environment SOAR_LIMITS__BODY_BYTES"),
        ("SOAR_LIMITS__BODY", "1", "environment SOAR_LIMITS__BODY"),
    ],
)
def test_a_variable_that_does_not_hold_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="SOAR_") as caught:
        load(file, WHOLE.replace("limits:", "# limits:"))
    assert reason in str(caught.value)


# Where it is


def test_where_the_file_is_found(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no soar\.yaml in this folder; `soar init` writes one"):
        load_settings()
    file.write_text("listen: 127.0.0.1:1111")
    assert load_settings().listen == "127.0.0.1:1111"
    other = tmp_path / "other.yaml"
    other.write_text("listen: 127.0.0.1:2222")
    monkeypatch.setenv("SOAR_CONFIG", str(other))
    assert load_settings().listen == "127.0.0.1:2222"
    assert load_settings(file).listen == "127.0.0.1:1111"
    with pytest.raises(ConfigError, match="there is no such file"):
        load_settings(tmp_path / "nowhere.yaml")


def test_a_file_that_cannot_be_read(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"listen: \xff")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_settings(file)
    file.write_bytes(b"#" * (5 << 20))
    with pytest.raises(ConfigError, match="larger than"):
        load_settings(file)
    with pytest.raises(ConfigError, match="no such file"):
        load_settings(tmp_path)
