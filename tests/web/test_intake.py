"""Deliveries through the whole server: what is one alert and what are two, and bodies as odd as senders send them."""

from __future__ import annotations

import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from soar.ingest.opening import HOPS
from soar.model.alert import ALERT_FIELDS, OURS
from tests.web.deployment import SECRETS
from tests.web.serving import PATIENCE, Served, signed

SAMPLES = Path(__file__).parents[2] / "connectors"
BEARER = {"Authorization": f"Bearer {SECRETS['bearer']}"}
FIRES = {"rule_name": "Token replay", "severity": "high"}


def sample(kind: str, name: str) -> Any:
    return json.loads((SAMPLES / kind / "samples" / name).read_bytes())


# One alert or two


def test_a01_the_same_delivery_while_the_first_still_runs_is_the_first(server: Served) -> None:
    body = FIRES | {"id": "a01"}
    (first,) = server.deliver(body)
    (second,) = server.deliver(body)
    assert first == {"id": first["id"], "duplicate": False}
    assert second == {"id": first["id"], "duplicate": True}
    assert [one["playbook_id"] for one in server.executions_of(first["id"])] == ["note"]
    assert server.get(f"/alerts/{first['id']}")["duplicates"] == 1
    assert len([seen for seen in server.echo.seen if "a01" in seen["body"]]) == 1


def test_a02_twenty_at_the_same_instant_are_one(server: Served) -> None:
    body = json.dumps(FIRES | {"id": "a02"}).encode()
    gate = threading.Barrier(20)

    def send(_: int) -> dict[str, Any]:
        with httpx.Client(timeout=PATIENCE) as sender:
            gate.wait(PATIENCE)
            answer = sender.post(f"{server.base}/webhooks/edge", content=body, headers=BEARER)
        assert answer.status_code == 202
        (alert,) = answer.json()["alerts"]
        return dict(alert)

    with ThreadPoolExecutor(20) as senders:
        alerts = list(senders.map(send, range(20)))
    assert len({alert["id"] for alert in alerts}) == 1
    assert sorted(alert["duplicate"] for alert in alerts) == [False] + [True] * 19
    assert len(server.executions_of(alerts[0]["id"])) == 1
    assert server.get(f"/alerts/{alerts[0]['id']}")["duplicates"] == 19


def test_a02_the_same_alert_twice_in_one_delivery_is_one(server: Served) -> None:
    body = FIRES | {"id": "a02-list"}
    first, second = server.deliver([body, body])
    assert first["id"] == second["id"]
    assert [first["duplicate"], second["duplicate"]] == [False, True]


def test_a04_two_of_one_rule_and_host_from_two_addresses_run_twice(server: Served) -> None:
    common = FIRES | {"host": "api-gw-1.example.com", "say": "a04"}
    (one,) = server.deliver(common | {"src_ip": "203.0.113.1", "occurred_at": "2026-01-01T00:00:00Z"})
    (other,) = server.deliver(common | {"src_ip": "203.0.113.2", "occurred_at": "2026-01-01T00:00:01Z"})
    assert not one["duplicate"]
    assert not other["duplicate"]
    assert len(server.executions_of(one["id"])) == len(server.executions_of(other["id"])) == 1


def test_a05_zero_and_false_are_values_of_the_key(server: Served) -> None:
    (one,) = server.deliver(FIRES | {"count": 0, "blocked": False}, "counted")
    (other,) = server.deliver(FIRES | {"count": 1, "blocked": False}, "counted")
    (again,) = server.deliver(FIRES | {"count": 0, "blocked": False, "note": "not part of the key"}, "counted")
    assert one["id"] != other["id"]
    assert again == {"id": one["id"], "duplicate": True}
    assert len(server.executions_of(one["id"])) == len(server.executions_of(other["id"])) == 1


def test_one_key_in_two_sources_is_two_alerts(server: Served) -> None:
    (one,) = server.deliver({"id": "both"}, "edge")
    (other,) = server.deliver({"id": "both"}, "counted")
    assert one["id"] != other["id"]


@pytest.mark.parametrize(
    ("priority", "severity"), [(4, "critical"), (0, "unknown"), (99, "unknown"), ("3", "high"), (None, "unknown")]
)
def test_a10_a_priority_outside_the_map_is_unknown_and_kept(server: Served, priority: Any, severity: str) -> None:
    body = sample("generic", "graylog_http_notification.json")
    body["event"] |= {"id": f"a10-{priority!r}", "priority": priority}
    (kept,) = server.deliver(body, "graylog")
    alert = server.processed(kept["id"])
    assert alert["severity"] == severity
    assert alert["raw"]["event"]["priority"] == priority
    assert alert["title"] == "Token failures > 100"


@pytest.mark.parametrize("source", ["edge", "splunk/" + SECRETS["path"], "elastic", "prometheus"])
def test_a12_every_optional_field_null(server: Served, source: str) -> None:
    body: Any = dict.fromkeys(ALERT_FIELDS - OURS) | {
        "labels": None,
        "annotations": None,
        "result": None,
        "_source": None,
    }
    answer = server.post(source, {"alerts": [body]} if source == "prometheus" else body)
    assert answer.status_code == 202, answer.text
    (kept,) = answer.json()["alerts"]
    alert = server.processed(kept["id"])
    assert alert["state"] == "unmatched"
    assert alert["title"] is None
    listed = {one["id"]: one for one in server.all("/alerts", limit=200)}
    assert listed[kept["id"]]["severity"] == "unknown"
    assert server.get(f"/alerts/{kept['id']}/matches")["items"]


def test_a16_how_many_the_sender_cut_off(server: Served) -> None:
    body = sample("alertmanager", "alertmanager_webhook_v4.json") | {"truncatedAlerts": 2}
    kept = server.deliver(body, "prometheus")
    assert len(kept) == len(body["alerts"])
    for one in kept:
        alert = server.processed(one["id"])
        assert "truncated-by-sender:2" in alert["tags"]
        assert alert["envelope"]["truncatedAlerts"] == 2


def test_a16_a_bad_alert_of_a_batch_loses_no_other(server: Served) -> None:
    good, bad = {"id": "batch-good", **FIRES}, "no object"
    kept = server.deliver([good, bad, 7, None])
    assert len(kept) == 4
    assert server.processed(kept[0]["id"])["state"] == "matched"
    for one in kept[1:]:
        alert = server.processed(one["id"])
        assert alert["state"] == "failed"
        assert "not an object" in alert["error"]
    assert server.get(f"/alerts/{kept[1]['id']}")["raw"] == '"no object"'
    assert {one["id"] for one in server.all("/alerts", state="failed")} == {one["id"] for one in kept[1:]}


# Odd bodies


def test_b01_nul_characters(server: Served) -> None:
    body = b'{"id": "b01\\u0000x", "rule_name": "Token replay", "title": "a\\u0000b", "say": "c\\u0000d"}'
    (kept,) = server.deliver(body)
    alert = server.processed(kept["id"])
    assert alert["title"] == "a\u2400b"
    assert server.get(f"/alerts/{kept['id']}/raw") == json.loads(body)
    assert server.ask("GET", f"/alerts/{kept['id']}/raw").content == body
    (execution,) = server.executions_of(kept["id"])
    assert execution["status"] == "succeeded"
    assert any(one["title"] == "a\u2400b" for one in server.all("/alerts", limit=200))


def test_b02_a_lone_surrogate(server: Served) -> None:
    (kept,) = server.deliver(b'{"id": "b02\\ud800", "rule_name": "Token replay", "title": "\\ud800", "\\udfff": 1}')
    alert = server.processed(kept["id"])
    assert alert["title"] == "\ufffd"
    assert alert["raw"]["\ufffd"] == 1
    (execution,) = server.executions_of(kept["id"])
    assert execution["status"] == "succeeded"
    assert server.get(f"/executions/{execution['id']}")["steps"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_b05_what_json_has_no_value_for(server: Served, value: str) -> None:
    before = server.run(server.runtime.store.alerts.counts()).received
    answer = server.post("edge", f'{{"id": "b05", "score": [{value}]}}')
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:soar:problem:malformed-delivery"
    assert f"{value} is not a value of JSON" in answer.json()["detail"]
    assert server.run(server.runtime.store.alerts.counts()).received == before


def test_b08_all_19_digits_in_the_api_and_in_a_step(server: Served) -> None:
    body = sample("generic", "falcosidekick_webhook.json")
    exact = body["output_fields"]["evt.time"]
    assert len(str(exact)) == 19
    body |= FIRES | {"say": "at {{ 7 * 7 }}", "uuid": exact}
    (kept,) = server.deliver(body)
    assert server.processed(kept["id"])["raw"]["output_fields"]["evt.time"] == exact
    assert f'"evt.time":{exact}'.encode() in server.ask("GET", f"/alerts/{kept['id']}").content
    (execution,) = server.executions_of(kept["id"])
    (step,) = server.get(f"/executions/{execution['id']}")["steps"]
    assert step["input"]["json"] == {"ref": str(exact), "said": "at {{ 7 * 7 }}"}  # what an alert says is no template
    assert str(exact) in step["output"]["body"]["body"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain; charset=UTF-8",
        "application/octet-stream",
        "application/json; charset=latin-1",
        "nonsense",
        "",
        None,
    ],
)
def test_b09_the_content_type_does_not_matter(server: Served, content_type: str | None) -> None:
    body = sample("generic", "aws_guardduty_sns_notification.json") | {"id": f"b09 {content_type}"}
    headers = BEARER | ({} if content_type is None else {"Content-Type": content_type})
    (kept,) = server.post("edge", body, headers).json()["alerts"]
    assert server.processed(kept["id"])["raw"]["Type"] == "Notification"


def gzipped(server: Served, body: bytes, path: str = "edge", **headers: str) -> httpx.Response:
    return server.post(path, body, BEARER | {"Content-Encoding": "gzip"} | headers)


def test_b12_gzip(server: Served) -> None:
    good = gzip.compress(json.dumps(FIRES | {"id": "b12"}).encode())
    answer = gzipped(server, good)
    assert answer.status_code == 202, answer.text
    assert server.executions_of(answer.json()["alerts"][0]["id"])
    bomb = gzip.compress(b'{"a": "' + b"x" * (64 << 20) + b'"}')
    assert len(bomb) < 1 << 20
    for body, status in ((bomb, 413), (good[:-9], 400), (b"{}", 400), (b"", 400), (good + b"junk", 400)):
        refused = gzipped(server, body)
        assert refused.status_code == status, (body[:20], refused.text)
        assert refused.headers["content-type"] == "application/problem+json"


def test_b12_a_signature_is_over_the_packed_bytes(server: Served) -> None:
    plain = json.dumps({"id": "b12-signed"}).encode()
    packed = gzip.compress(plain)
    assert gzipped(server, packed, "signed", **{"X-Signature": "sha256=" + signed(packed)}).status_code == 202
    assert gzipped(server, packed, "signed", **{"X-Signature": "sha256=" + signed(plain)}).status_code == 401


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "\u00e9", "gzip;q=1"])
def test_b12_other_encodings_are_refused_by_name(server: Served, encoding: str) -> None:
    headers = [(b"Authorization", BEARER["Authorization"].encode()), (b"Content-Encoding", encoding.encode())]
    reply = server.wire("edge", b"{}", headers)
    assert reply.status == 400
    assert "is not taken; send gzip or none" in reply.problem()["detail"]


REFUSED: list[bytes] = [
    b"",
    b"   ",
    b"null",
    b"true",
    b"7",
    b'"text"',
    b"-0",
    b"[[1]",
    b'{"a": 1',
    b'{"a": 1}}',
    b'{"a": 1} {"b": 2}',
    b'{"a": 1, "a": 2}',
    b'{"a": {"b": 1, "b": 1}}',
    b"{'a': 1}",
    b'{"a": 01}',
    b'{"a": .5}',
    b'{"a": 1,}',
    b'{"a": \xff}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a": "tab\tinside"}',
    b"\xef\xbb\xbf\xef\xbb\xbf{}",
    '{"a": 1}'.encode("utf-16"),
    b"[" * 100_000,
    b'{"a":' * 65 + b"1" + b"}" * 65,
    b'{"n": ' + b"9" * 5000 + b"}",
    b"rule_name=Token+replay&severity=high",
    b"payload=%7B%22a%22%3A1%7D",
    b"<alert/>",
    b"%PDF-1.4",
]


@pytest.mark.parametrize("body", REFUSED, ids=lambda body: repr(body[:24]))
def test_a_body_that_is_no_alert_is_a_400_and_leaves_nothing(server: Served, body: bytes) -> None:
    before = server.run(server.runtime.store.alerts.counts()).received
    answer = server.post("edge", body, BEARER | {"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 400, answer.text
    problem = answer.json()
    assert problem["type"] == "urn:soar:problem:malformed-delivery"
    assert problem["status"] == 400
    assert len(problem["detail"]) < 300
    assert server.run(server.runtime.store.alerts.counts()).received == before


TAKEN: list[tuple[bytes, Any]] = [
    (b"{}", {}),
    (b'\xef\xbb\xbf{"bom": 1}', {"bom": 1}),
    (
        b'\r\n {"a": -0, "b": -0.0, "c": 1e400, "d": -1e400, "e": 1E-400}\n',
        {"a": 0, "b": -0.0, "c": "1e400", "d": "-1e400", "e": 0.0},
    ),
    (b'{"n": ' + b"9" * 4000 + b"}", {"n": int("9" * 4000)}),
    (b'{"n": -170141183460469231731687303715884105729}', {"n": -(2**127) - 1}),
    (b'{"": 1, " ": 2, "a.b": {"c": [[], {}, null]}}', {"": 1, " ": 2, "a.b": {"c": [[], {}, None]}}),
    (b'{"__proto__": {"x": 1}, "constructor": "y", "body": 1, "raw": 2, "envelope": 3}', None),
    (b'{"title": ["a", "b"], "severity": {"x": 1}, "src_ip": 7, "tags": "t", "occurred_at": 1e300}', None),
    (
        b'{"title": "{{ 7 * 7 }} {% for x in y %}", "rule_name": "${jndi:ldap://x}", "user": "\'; DROP TABLE x;--"}',
        None,
    ),
    (b'{"id": "theirs", "source": "theirs", "received_at": "theirs", "tenant": "theirs", "raw": "theirs"}', None),
]


@pytest.mark.parametrize(("body", "raw"), TAKEN, ids=lambda part: repr(part)[:24])
def test_an_odd_body_is_taken_shown_and_exact(server: Served, body: bytes, raw: Any) -> None:
    (kept,) = server.deliver(body)
    alert = server.processed(kept["id"])
    assert alert["state"] == "unmatched", alert
    assert alert["raw"] == (json.loads(body.decode("utf-8-sig")) if raw is None else raw)
    assert alert["source"] == "edge"
    assert alert["id"] == kept["id"]
    assert server.ask("GET", f"/alerts/{kept['id']}/raw").content == body
    server.get(f"/alerts/{kept['id']}/matches")


def test_an_empty_list_is_a_delivery_of_nothing(server: Served) -> None:
    assert server.deliver(b"[]") == []
    assert server.deliver({"alerts": []}, "prometheus") == []


def test_json_lines_are_as_many_alerts(server: Served) -> None:
    kept = server.deliver(b'{"id": "line-1"}\n{"id": "line-2"}\n\n{"id": "line-1"}\n')
    assert [one["duplicate"] for one in kept] == [False, False, True]


def test_numbers_of_the_totals_add_up(server: Served) -> None:
    server.processed(server.deliver({"id": "totals", **FIRES})[0]["id"])
    metrics = {
        name: float(value)
        for name, _, value in (
            line.rpartition(" ")
            for line in server.ask("GET", "/metrics").text.splitlines()
            if line.startswith("soar_alerts_stored")
        )
    }
    count = {name.split('"')[1]: value for name, value in metrics.items()}
    assert count["received"] == count["matched"] + count["unmatched"] + count["failed"] + count["waiting"]
    assert count["matched"] > 0


# Loops


def sent(server: Served, alert: dict[str, Any], hops: str) -> str:
    headers = BEARER | {"SOAR-Hops": hops}
    answer = server.http.post(f"{server.base}/webhooks/edge", json=alert, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["alerts"][0]["id"])


def test_m01_a_playbook_that_posts_to_its_own_trigger_ends_at_the_cap_and_says_so(server: Served) -> None:
    """What it calls sends the same body back under a new id, with the header it got."""
    hops, turns = "0", 0
    for turns in range(20):  # asked for after the loop
        alert = sent(server, FIRES | {"id": f"m01-{turns}"}, hops)
        if server.processed(alert)["state"] == "unmatched":
            break
        (one,) = server.executions_of(alert)
        (call,) = [call for call in server.echo.seen if f'"m01-{turns}"' in call["body"]]
        assert one["playbook_id"] == "note"
        hops = call["headers"]["soar-hops"]
    assert turns == HOPS + 1
    traces = {one["playbook_id"]: one["trace"] for one in server.get(f"/alerts/{alert}/matches")["items"]}
    assert "6 executions led to it, and 5 is the limit: it goes round in a circle" in traces["note"]["error"]


def test_m01_runs_and_events_asked_for_by_a_playbook_count_on(server: Served) -> None:
    headers = {"SOAR-Hops": "6"}
    asked = server.ask("POST", "/playbooks/note/executions", json={"alert": {"id": "m01-hand"}}, headers=headers)
    assert asked.status_code == 202
    told = server.ask("POST", "/events", json={"name": "m01.told"}, headers=headers)
    (event,) = server.run(server.runtime.store.events.since("m01.told", 0, 0))
    assert (told.status_code, event.hops) == (202, 5)
    manual = server.get("/alerts", source="manual")["items"]
    (alert,) = [one for one in manual if one["source_ref"] == "m01-hand"]
    server.processed(alert["id"])
    (match,) = server.get(f"/alerts/{alert['id']}/matches")["items"][:1]
    assert "goes round in a circle" in match["trace"]["error"]


@pytest.mark.parametrize("hops", ["", "-1", "6.0", "six", "1001", "99999999999999999999", "6, 6", "+6"])
def test_m01_a_number_of_hops_that_is_none_is_ignored(server: Served, hops: str) -> None:
    alert = sent(server, FIRES | {"id": f"m01-odd-{hops}"}, hops)
    assert server.run(server.runtime.store.alerts.raw(alert)).hops == 0


def test_m01_only_the_header_says_so_never_a_body(server: Served) -> None:
    (alert,) = server.deliver(FIRES | {"id": "m01-body", "hops": 99, "event": "containment.lifted"})
    (one,) = server.executions_of(alert["id"])
    assert one["playbook_id"] == "note"
