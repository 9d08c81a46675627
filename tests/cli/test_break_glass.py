"""`soar approve --break-glass` and `soar reviews` beside a server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from soar.clock import SystemClock
from tests.cli.test_control import Soar, asked, soar
from tests.web.serving import Served, served
from tests.web.test_break_glass import MORE, POLICY
from tests.web.test_control import PLAYBOOKS, reached

__all__ = ["soar"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("glass")
    (folder / "policy.yaml").write_text(POLICY)
    with served(folder, more=MORE, playbooks=PLAYBOOKS) as one:
        for name in ("ana", "ben", "kim"):
            digest = hashlib.sha256(f"token-of-{name}".encode()).hexdigest()
            one.run(one.runtime.store.tokens.create(name, "person", digest, SystemClock().now(), person=name))
        yield one


def test_the_glass_is_broken_and_somebody_else_looks_at_it(server: Served, soar: Soar) -> None:
    execution, approval = asked(server, "guarded")
    assert soar("reviews", "list")[:2] == (0, "nothing waits for a review\n")
    code, out, _ = soar("approve", approval[-8:], "--break-glass", "--reason", "alone at night", person="kim")
    assert (code, "approved" in out) == (0, True)
    reached(server, execution, "succeeded")
    assert "glass broken" in soar("approvals", "show", approval)[1]

    (review,) = json.loads(soar("reviews", "list", "--json")[1])["items"]
    listed = soar("reviews", "list")[1]
    assert "person:kim" in listed and "Block 198.51.100." in listed
    shown = soar("reviews", "show", review["id"][-6:])[1]
    assert "alone at night" in shown and approval in shown

    code, _, err = soar("reviews", "close", review["id"], "--finding", "all fine", person="kim")
    assert (code, "four eyes" in err) == (1, True)
    assert soar("reviews", "close", review["id"], person="ben")[0] == 2
    code, _, err = soar("reviews", "close", review["id"], "--finding", " ", person="ben")
    assert (code, "needs a finding" in err) == (1, True)
    code, out, _ = soar("reviews", "close", review["id"], "--finding", "looked, right", person="ben")
    assert (code, "closed" in out) == (0, True)
    code, _, err = soar("reviews", "close", review["id"], "--finding", "again", person="ana")
    assert (code, "closed already, by person:ben" in err) == (1, True)
    (closed,) = json.loads(soar("reviews", "list", "--status", "closed", "--json")[1])["items"]
    assert (closed["closed_by"], closed["finding"]) == ("person:ben", "looked, right")
    assert soar("reviews", "list", "--status", "lost")[0] == 2


@pytest.mark.parametrize(
    ("person", "reason", "why"),
    [("ben", "please", "none of the roles"), ("kim", "", "needs a reason"), (None, "please", "SOAR_TOKEN")],
)
def test_who_may_not_or_says_no_why_breaks_no_glass(
    server: Served, soar: Soar, person: str | None, reason: str, why: str
) -> None:
    _, approval = asked(server, "guarded")
    code, _, err = soar("approve", approval, "--break-glass", "--reason", reason, person=person)
    assert (code in (1, 2), why in err) == (True, True), err
    assert server.get(f"/approvals/{approval}")["votes"] == []


def test_the_policy_in_force_says_who_may(server: Served, soar: Soar) -> None:
    out = soar("policy", "show")[1]
    assert "may: role incident-commander (policy.yaml:1)" in out
    assert "told at: pager:night (policy.yaml:1)" in out
