"""Hops are read from the header alone, and an envelope of a sender is not believed (M01)."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from soar.ingest.hops import hops_in
from soar.ingest.kinds import load_kinds
from soar.ingest.manual import manual_source
from soar.ingest.match import Matcher
from soar.ingest.process import Processor
from soar.ingest.source import make_source
from soar.model.alert import RawAlert
from soar.playbook import parse_playbook
from soar.testing.clock import START, FakeClock

BOOK = "id: a\ntrigger: {match: {s: {title: x}, condition: s}}\nsteps: [{stop: done}]\n"


@pytest.mark.parametrize(
    ("headers", "hops"),
    [
        ([], 0),
        ([(b"soar-hops", b"3")], 3),
        ([(b"soar-hops", b"1000")], 1000),
        ([(b"soar-hops", b"1001")], 0),
        ([(b"soar-hops", b"\xc2\xb2")], 0),
        ([(b"soar-hops", b"2"), (b"soar-hops", b"7"), (b"soar-hops", b"x")], 7),
        ([(b"x-soar-hops", b"3")], 0),
    ],
)
def test_m01_the_header_is_a_plain_number_up_to_a_thousand(headers: list[tuple[bytes, bytes]], hops: int) -> None:
    assert hops_in(headers) == hops


@pytest.mark.parametrize(("kept", "opened"), [(0, [0]), (5, [5]), (6, [])])
def test_m01_what_opens_has_the_hops_kept_with_the_raw_alert_and_none_of_its_envelope(
    kept: int, opened: list[int]
) -> None:
    book = parse_playbook(BOOK, "a.yaml")
    kinds = load_kinds()
    source = make_source("edge", kinds["generic"], manual_source(kinds).verifier)
    loaded = SimpleNamespace(digest="d", playbooks={"a": book}, match=Matcher([book]).match)
    processor = Processor(
        SimpleNamespace(),  # type: ignore[arg-type] # it reads and decides, and writes nothing
        {"edge": source},
        lambda: loaded,
        FakeClock(),
        timeout=60.0,
    )
    envelope = json.dumps({"hops": 99}).encode()
    raw = RawAlert("id", "edge", "key", START, b'{"title": "x"}', envelope, hops=kept)
    assert [one.hops for one in processor.opening(raw, loaded).executions] == opened
