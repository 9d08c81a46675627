"""What the README of each kind says works as it stands: the source, the example, the table of fields."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soar.config import read_document
from soar.ingest.kinds import load_kinds, read_kind
from tests.web.serving import Served, served

KINDS = load_kinds()
NAMES = sorted(KINDS)
TOKEN = "readme-3hJ8kL1mN6"
CONNECTORS = Path(__file__).parents[2] / "connectors"


def page(kind: str) -> str:
    return (CONNECTORS / kind / "README.md").read_text("utf-8")


def blocks(kind: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page(kind), re.DOTALL | re.MULTILINE)


def source(kind: str) -> dict[str, Any]:
    """The source that the page writes: (name, entry)."""
    (text,) = [block for block in blocks(kind, "yaml") if block.startswith("sources:")]
    sources: dict[str, Any] = read_document(text, "README.md").content["sources"]
    return sources


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Served with all the sources the pages write, under names of their own."""
    folder = tmp_path_factory.mktemp("readmes")
    (folder / "readme.secret").write_text(TOKEN)
    more = ""
    for kind in NAMES:
        ((_, entry),) = source(kind).items()
        entry["auth"]["secret"] = "file:readme.secret"
        more += f"  readme-{kind}: {json.dumps(entry)}\n"
    hashed = {"scheme": "hmac-sha256", "header": "X-Signature", "prefix": "sha256=", "secret": "file:readme.secret"}
    more += f"  readme-signed: {json.dumps({'kind': 'generic', 'auth': hashed})}\n"
    with served(folder, sources=more) as one:
        yield one


def example(kind: str, server: Served, place: int = 0, source_name: str = "") -> tuple[str, dict[str, str], str]:
    """Path, headers and body of a curl line of the page."""
    block = blocks(kind, "sh")[place]
    secret = re.search(r"\$([A-Z_]*TOKEN)", block)
    assert secret is not None
    words = shlex.split(block.replace(f"${secret[1]}", TOKEN))
    assert words[:4] == ["curl", "-sS", "-X", "POST"]
    url = words[4]
    name = next(iter(source(kind)))
    assert url.startswith(f"http://127.0.0.1:8080/webhooks/{name}")
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    path = url.removeprefix("http://127.0.0.1:8080/webhooks/").replace(name, source_name or f"readme-{kind}", 1)
    return path, headers, words[words.index("-d") + 1]


@pytest.mark.parametrize("kind", NAMES)
def test_the_example_is_taken_and_read(server: Served, kind: str) -> None:
    path, headers, body = example(kind, server)
    answer = server.post(path, body, headers)
    assert answer.status_code == 202, answer.text
    (kept,) = answer.json()["alerts"]
    alert = server.processed(kept["id"])
    assert alert["title"]
    assert alert["severity"] in {"high", "critical"}
    assert alert["src_ip"] == "203.0.113.7"
    again = server.post(path, body, headers).json()["alerts"]
    assert again == [{"id": kept["id"], "duplicate": True}]
    assert server.post(path.replace(TOKEN, "wrong"), body, {}).status_code == 401


def test_the_signed_example_is_what_the_shell_makes_of_it(server: Served) -> None:
    script = blocks("generic", "sh")[1].splitlines()
    made = subprocess.run(
        ["sh", "-c", "\n".join([*script[:-1], 'printf "%s\\n%s" "$signature" "$body"'])],
        env={"EDGE_TOKEN": TOKEN, "PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    signature, _, body = made.stdout.partition("\n")
    assert "X-Signature: sha256=$signature" in script[-1]
    answer = server.post("readme-signed", body, {"X-Signature": f"sha256={signature}"})
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize("kind", NAMES)
def test_the_table_of_fields_is_that_of_the_kind(kind: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page(kind).partition("| alert field |")[2], re.MULTILINE)
    shown = {name: tuple(re.findall(r"`([^`]+)`", paths)) for name, paths in rows if name in KINDS[kind].fields}
    assert shown == KINDS[kind].fields


@pytest.mark.parametrize("kind", NAMES)
def test_every_scheme_and_every_word_of_severity_is_there(kind: str) -> None:
    text = page(kind)
    for word in (*KINDS[kind].auth, *KINDS[kind].severity_map):
        assert f"`{word}`" in text, word


def test_the_kind_that_docs_sources_writes_holds() -> None:
    text = (CONNECTORS.parent / "docs" / "sources.md").read_text("utf-8")
    (example,) = re.findall(r"^```yaml\n(kind: .*?)^```$", text, re.DOTALL | re.MULTILINE)
    kind = read_kind(example, "acme/source.yaml")
    for field in ("alerts", "otherwise", "unwrap", "truncated", "dedupe", "fields", "severity_map"):
        assert field in kind.model_fields_set  # every key there is


def test_the_template_for_kibana_makes_one_line_of_each_alert(server: Served) -> None:
    """Rendered as Kibana would: sections, names with dots, what is outside the section where it is not inside."""
    (template,) = blocks("elastic", "mustache")
    sample = json.loads((CONNECTORS / "elastic" / "samples" / "elastic_webhook_connector.json").read_text())
    line = re.fullmatch(r"\{\{#context\.alerts\}\}\n(.*\n)\{\{/context\.alerts\}\}\n", template)
    assert line is not None
    body = "".join(
        re.sub(r"\{\{(.+?)\}\}", lambda name, alert=alert: rendered(name[1], alert, sample), line[1])
        for alert in sample["context"]["alerts"]
    )
    kept = server.post("readme-elastic", body, {"Authorization": f"Bearer {TOKEN}"}).json()["alerts"]
    alerts = [server.processed(one["id"]) for one in kept]
    assert [(one["title"], one["src_ip"], one["user"], one["severity"], one["risk_score"]) for one in alerts] == [
        ("API token endpoint brute force", "198.51.100.23", "avery.lin", "high", 73),
        ("API token endpoint brute force", "2001:db8::bad:1", "svc-report", "high", 73),
    ]


def rendered(name: str, *contexts: Any) -> str:
    for context in contexts:
        found = context
        for key in name.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None:
            return json.dumps(",".join(found) if isinstance(found, list) else str(found))[1:-1]
    return ""
