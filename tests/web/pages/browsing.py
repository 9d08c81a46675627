"""The installation whose pages are looked at, and what a browser without scripts does with them."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.web.serving import Served, until

PEOPLE = """\
people:
  ana: {roles: [analyst]}
  ben: {roles: [lead]}
  cleo: {roles: [lead, analyst]}
groups: {leads: [ben, cleo]}
"""
_NEVER = "trigger: {match: {s: {rule_name: never}}}\n"
PLAYBOOKS = {
    "guarded": f"""\
id: guarded
{_NEVER}steps:
  - id: block
    approval:
      message: "Block {{{{ alert.src_ip }}}}? {{{{ alert.title | default('no title') }}}}"
      approvers: {{groups: [leads], not: [requester]}}
      timeout: 1h
    action: door.block_ip
    with: {{ip: "{{{{ alert.src_ip }}}}"}}
    undo: {{after: 24h}}
""",
    "two": f"""\
id: two
{_NEVER}steps:
  - {{id: ask, approval: {{message: sure, approvers: {{roles: [lead], required: 2}}, timeout: 1h}}}}
""",
}
HOSTILE = "<script>alert(1)</script> \"' {{ 7 * 7 }} <img src=x onerror=alert(1)>"
addresses = (f"203.0.113.{number}" for number in itertools.count(1))


@contextmanager
def signed_in(server: Served, person: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base, follow_redirects=False) as client:
        answer = client.post("/sign-in", data={"token": f"token-of-{person}"})
        assert answer.status_code == 303, answer.text
        yield client


def asked(server: Served, playbook: str = "guarded", **alert: Any) -> str:
    """The id of a new request."""
    given = {"src_ip": next(addresses), **alert}
    made = server.ask("POST", f"/playbooks/{playbook}/executions", json={"alert": given})
    assert made.status_code == 202, made.text
    execution = made.json()["id"]

    def look() -> str | None:
        found = server.ask("GET", "/approvals", params={"execution": execution}).json()["items"]
        return found[0]["id"] if found else None

    return str(until(look, "a request"))


def standing(server: Served, approval: str) -> dict[str, Any]:
    return dict(server.get(f"/approvals/{approval}"))


def token_in(page: httpx.Response) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return html.unescape(found[1])


def answer(client: httpx.Client, approval: str, decision: str = "approve", **more: str) -> httpx.Response:
    """Open the page and send its form."""
    form = {"form_token": token_in(client.get(f"/approvals/{approval}")), "decision": decision, **more}
    return client.post(f"/approvals/{approval}/decision", data=form)
