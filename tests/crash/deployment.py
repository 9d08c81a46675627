"""The connections of the deployment that is killed, and the world those act on."""

from __future__ import annotations

from collections import defaultdict

from bench.target import Answer, ApiCall

CONFIG = """\
database: {database}
listen: 127.0.0.1:{port}
sources:
  bench:
    kind: generic
    auth: {{scheme: hmac-sha256, header: X-Signature, prefix: "sha256=", secret: "env:BENCH_SECRET"}}
connections:
  api: {{connector: http, settings: {{base_url: "{target}"}}}}
  fence: {{connector: fence, timeout: 1, settings: {{base_url: "{target}"}}}}
people: {{ana: {{roles: [analyst]}}, ben: {{roles: [analyst]}}}}
"""

FENCE = '''\
"""A fence that may be asked what it did, and repeats nothing by itself."""

from soar.sdk import Call, Health, HttpConnector, Params, Result, action


class Client(Params):
    ip: str
    """Client address to keep out."""
    ref: str
    """What it is about."""


class Blocked(Result):
    ref: str
    """What it was about."""


class Fence(HttpConnector):
    """Keep client addresses out."""

    name = "fence"

    @action(target="ip")
    async def block_ip(self, params: Client, call: Call) -> Blocked:
        """Keep one address out."""
        await self.http.post("/block", json={"ref": params.ref, "ip": params.ip})
        return Blocked(ref=params.ref)

    @block_ip.undo
    async def unblock_ip(self, done: Blocked) -> None:
        """Let it in again."""
        await self.http.post("/unblock", json={"ref": done.ref})

    @block_ip.verify
    async def find(self, params: Client, call: Call) -> Blocked | None:
        """Whether it is kept out."""
        reply = await self.http.get(f"/blocked?ref={params.ref}", accept={404})
        return Blocked(ref=params.ref) if reply.status_code == 200 else None

    async def health(self) -> Health:
        return Health(ok=True)
'''

REFUSED = ("/refused first", "/item first-b")
ONCE_BUSY, ONCE_SILENT = "/flaky first", "/lost first"


class World:
    """What the systems behind the connections hold; it outlives every process under test."""

    def __init__(self) -> None:
        self.keys: dict[str, list[str | None]] = defaultdict(list)
        """By what was changed, such as `/block first-short`: the keys under which that was asked for."""
        self.blocked: set[str] = set()
        self._busy_once = False

    def answer(self, call: ApiCall) -> Answer:
        """Do what is asked, and say what became of it."""
        if call.path == "/look":
            return Answer()
        if call.path == "/blocked":
            return Answer(200 if call.ref in self.blocked else 404)
        change = f"{call.path} {call.ref}"
        if change == ONCE_BUSY and not self._busy_once:
            self._busy_once = True
            return Answer(503)
        self.keys[change].append(call.key)
        if call.path == "/block":
            self.blocked.add(call.ref)
        elif call.path == "/unblock":
            self.blocked.discard(call.ref)
        if change == ONCE_SILENT and len(self.keys[change]) == 1:
            return Answer(drop=True)
        return Answer(422 if change in REFUSED else 200)

    @property
    def doubled(self) -> list[str]:
        """What was changed twice without the other system being able to tell."""
        other_key = {change for change, keys in self.keys.items() if len(set(keys)) > 1 or None in keys}
        # The fence knows no keys: it has to be asked first, and a block is never made twice.
        blocks = {change for change, keys in self.keys.items() if change.startswith("/block ") and len(keys) > 1}
        return sorted(other_key | blocks)
