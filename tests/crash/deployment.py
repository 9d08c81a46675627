"""A playbook with every kind of step, the connections it uses, and the world those act on."""

from __future__ import annotations

from bench.target import Answer, ApiCall

RULE = "Token replay"

CONFIG = """\
database: sqlite:///soar.db
listen: 127.0.0.1:{port}
sources:
  bench:
    kind: generic
    auth: {{scheme: hmac-sha256, header: X-Signature, prefix: "sha256=", secret: "env:BENCH_SECRET"}}
connections:
  api: {{connector: http, settings: {{base_url: "{target}"}}}}
  fence: {{connector: fence, timeout: 1, settings: {{base_url: "{target}"}}}}
"""

FENCE = '''\
"""A fence that may be asked what it did, and repeats nothing by itself."""

from soar.sdk import Call, Health, HttpConnector, Params, Result, action


class Client(Params):
    ip: str
    """Client address to keep out."""
    ref: str
    """The alert it is about."""


class Blocked(Result):
    ref: str
    """The alert it was about."""


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

PLAYBOOK = """\
id: every-kind
trigger: {match: {selection: {rule_name: Token replay}}}
steps:
  - set: {ref: "{{ alert.source_ref }}"}
  - {id: look, action: api.get, with: {path: /look, query: {ref: "{{ vars.ref }}"}}}
  - id: never
    when: alert.src_ip is none
    action: api.request
    with: {method: POST, path: /never, json: {ref: "{{ vars.ref }}"}}
  - id: branch
    if: steps.look.output.body.receipt == 'look-' ~ vars.ref
    then:
      - {id: first, action: api.request, with: {method: POST, path: /first, json: {ref: "{{ vars.ref }}"}}}
    else:
      - {id: other, action: api.request, with: {method: POST, path: /other, json: {ref: "{{ vars.ref }}"}}}
  - id: group
    steps:
      - id: block
        action: fence.block_ip
        with: {ip: "{{ alert.src_ip }}", ref: "{{ vars.ref }}"}
        undo: {after: 2s}
      - id: flaky
        action: api.request
        with: {method: POST, path: /flaky, json: {ref: "{{ vars.ref }}"}}
        retry: {attempts: 6, delay: 1s}
  - id: refused
    action: api.request
    with: {method: POST, path: /refused, json: {ref: "{{ vars.ref }}"}}
    on_failure:
      - {id: mend, action: api.request, with: {method: POST, path: /mend, json: {ref: "{{ vars.ref }}"}}}
  - {id: last, action: api.request, with: {method: POST, path: /last, json: {ref: "{{ vars.ref }}"}}}
"""

CHANGES = ("/first", "/block", "/flaky", "/refused", "/mend", "/last")
"""What one execution changes, in order; `/unblock` follows when the block is over."""


class World:
    """What the systems behind the connections hold; it outlives every process under test."""

    def __init__(self) -> None:
        self.changes: list[ApiCall] = []
        self.blocked: set[str] = set()
        self._refused_once: set[str] = set()

    def answer(self, call: ApiCall) -> Answer:
        """Do what is asked, and say what became of it."""
        if call.path == "/look":
            return Answer()
        if call.path == "/blocked":
            return Answer(200 if call.ref in self.blocked else 404)
        if call.path == "/flaky" and call.ref not in self._refused_once:
            self._refused_once.add(call.ref)
            return Answer(503)
        self.changes.append(call)
        if call.path == "/block":
            self.blocked.add(call.ref)
        elif call.path == "/unblock":
            self.blocked.discard(call.ref)
        return Answer(422 if call.path == "/refused" else 200)

    def keys(self, path: str) -> set[str | None]:
        """The keys under which it was asked to change that."""
        return {call.key for call in self.changes if call.path == path}

    def times(self, path: str) -> int:
        return sum(call.path == path for call in self.changes)
