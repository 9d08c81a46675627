"""What the served installation is made of: secrets, sources with every scheme, playbooks, a connector of its own."""

from __future__ import annotations

SECRETS = {
    "bearer": "bearer-5fJ2Qw8Lx0aZ",
    "header": "header-9sK1Yp4Vb7cR",
    "basic": "basic-3tH6Gm2Nd8eW",
    "hmac": "hmac-7uB4Xc1Kf9qS",
    "old": "hmac-old-6vD5Lz3Jh2rT",
    "standard": "whsec_c3RhbmRhcmQtMXdFNlBrNE1qOHNV",
    "standard-old": "c3RhbmRhcmQtb2xkLTJ4RjdRbDVO",
    "path": "path-4yG8Rn6Oa1tV/2",
    "api": "api-0zH9So7Pb2uX",
}
"""By name; the installation reads them from files."""

_CONFIG = """\
database: sqlite:///soar.db
listen: 127.0.0.1:{port}
trusted_proxies: [127.0.0.1]
sources:
  edge: {{kind: generic, auth: {{scheme: bearer, secret: "file:bearer.secret"}}}}
  keyed: {{kind: generic, auth: {{scheme: header, header: X-Token, prefix: "Token ", secret: "file:header.secret"}}}}
  basic: {{kind: generic, auth: {{scheme: basic, username: siem, secret: "file:basic.secret"}}}}
  signed:
    kind: generic
    auth:
      scheme: hmac-sha256
      header: X-Signature
      prefix: "sha256="
      secret: ["file:hmac.secret", "file:old.secret"]
  standard:
    kind: generic
    auth: {{scheme: standard-webhooks, secret: ["file:standard.secret", "file:standard-old.secret"]}}
  splunk: {{kind: splunk, auth: {{scheme: path-token, secret: "file:path.secret"}}}}
  elastic: {{kind: elastic, auth: {{scheme: bearer, secret: "file:bearer.secret"}}}}
  prometheus: {{kind: alertmanager, auth: {{scheme: bearer, secret: "file:bearer.secret"}}}}
  counted: {{kind: generic, dedupe: [count, blocked], auth: {{scheme: bearer, secret: "file:bearer.secret"}}}}
  guarded:
    kind: generic
    allow: [192.0.2.0/24, "2001:db8::/32"]
    auth: {{scheme: bearer, secret: "file:bearer.secret"}}
  graylog:
    kind: generic
    auth: {{scheme: bearer, secret: "file:bearer.secret"}}
    mapping: {{title: event_definition_title, source_ref: event.id, severity: event.priority}}
    severity_map: {{"1": low, "2": medium, "3": high, "4": critical}}
connections:
  api:
    connector: http
    settings: {{base_url: "http://127.0.0.1:{target}", idempotency: none}}
    secrets: {{token: "file:api.secret"}}
  door: {{connector: door}}
"""

_STEPS = """\
steps:
  - id: call
    action: api.request
    with:
      method: POST
      path: /note
      json: {ref: "{{ alert.source_ref }}", said: "{{ alert.raw.say | default('') }}"}
"""


def _rule(name: str) -> str:
    return f"trigger:\n  match:\n    selection:\n      rule_name: {name}\n"


PLAYBOOKS = {
    "note": f"id: note\n{_rule('Token replay')}{_STEPS}",
    "other": f"id: other\n{_rule('Never seen')}{_STEPS}",
    "block": f"""\
id: block
{_rule("Block it")}steps:
  - id: block
    action: door.block_ip
    with: {{ip: "{{{{ alert.src_ip }}}}"}}
    undo: {{after: 24h}}
""",
    "lost": f"""\
id: lost
{_rule("Lose it")}steps:
  - id: lose
    action: api.request
    with: {{method: POST, path: /lost, json: {{ref: "{{{{ alert.source_ref }}}}"}}}}
""",
    "refused": f"""\
id: refused
{_rule("Refuse it")}steps:
  - id: refuse
    action: api.request
    with: {{method: POST, path: "/refused?token=query-8wQ5Zk2Mv"}}
""",
}

CONNECTOR = '''\
"""A door that opens and shuts, to see containments by."""

from ipaddress import IPv4Address, IPv6Address

from soar.sdk import Call, Connector, Health, Params, Result, action


class Client(Params):
    ip: IPv4Address | IPv6Address
    """Client address to turn away."""


class Blocked(Result):
    entry: str
    """The entry that was made."""


class Door(Connector):
    """Turn client addresses away."""

    name = "door"

    @action(idempotent=True)
    async def block_ip(self, params: Client, call: Call) -> Blocked:
        """Deny one client address."""
        return Blocked(entry=str(params.ip))

    @block_ip.undo
    async def unblock_ip(self, done: Blocked) -> None:
        """Let the client address in again."""

    async def health(self) -> Health:
        return Health(ok=True, detail="open")
'''


def config(port: int, target: int, more: str = "", sources: str = "") -> str:
    """The text of soar.yaml; `more` is added at the top level, `sources` below that key."""
    text = _CONFIG.format(port=port, target=target)
    return text.replace("connections:\n", f"{sources}connections:\n") + more
