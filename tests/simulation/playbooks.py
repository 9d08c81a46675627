"""The playbooks of a simulated week: together every kind of step."""

from __future__ import annotations

from soar.model.playbook import Playbook
from soar.playbook import parse_playbook

_IP = "with: {ip: '{{ alert.src_ip }}'}"
_BLOCK = f"action: gateway.block_ip, {_IP}"
_EDGE = f"action: edge.block_ip, {_IP}"

_TEXTS = {
    "contain": f"""\
- {{id: look, action: api.read}}
- {{id: block, {_BLOCK}, undo: {{after: 6h}}, retry: {{attempts: 3, delay: 30s}}}}
- {{id: tell, action: api.call, with: {{text: blocked}}, retry: {{attempts: 4, delay: 10m}}}}
""",
    "ladder": f"- {{id: block, {_EDGE}, undo: {{after: [1h, 6h, 24h]}}, retry: {{attempts: 3, delay: 1m}}}}\n",
    "fan": f"""\
- id: all
  parallel:
    - {{id: a, action: api.call, with: {{n: 1}}, retry: {{attempts: 3, delay: 1m}}}}
    - {{id: b, steps: [{{id: once, action: api.once, with: {{n: 2}}}}, {{id: w, wait: {{for: 10m}}}}]}}
    - {{id: c, {_EDGE}, undo: {{after: 2h}}}}
- id: any
  parallel:
    - {{id: d, wait: {{for: 3h}}}}
    - {{id: e, action: api.call, with: {{n: 3}}}}
  join: any
""",
    "items": """\
- id: each
  for_each: '[1, 2, 3, 4]'
  as: one
  concurrency: 2
  steps:
    - {id: say, action: api.once, with: {n: '{{ one }}'}}
    - {id: rest, wait: {for: 2m}}
""",
    "poll": """\
- {id: start, set: {n: 0}}
- id: poll
  while: vars.n < 3
  max_iterations: 5
  steps:
    - {id: look, action: api.read}
    - {id: say, action: api.call, with: {n: '{{ vars.n }}'}}
    - {id: rest, wait: {for: 20m}}
    - {id: count, set: {n: '{{ vars.n + 1 }}'}}
""",
    "asks": f"""\
- id: guarded
  approval: {{message: sure, timeout: 2h}}
  steps:
    - {{id: block, {_BLOCK}, undo: {{after: 3h}}}}
    - {{id: once, action: api.once}}
- id: choose
  switch:
    - {{when: steps.block.status == 'succeeded', steps: [{{id: yes, action: api.call, with: {{text: done}}}}]}}
  else:
    - {{id: not, action: api.call, with: {{text: denied}}}}
""",
    "parent": """\
- {id: child, playbook: child, with: {text: hello}}
- {id: after, action: api.once, with: {text: "{{ steps.child.output.said }}"}}
""",
    "child": f"""\
- {{id: once, action: api.once, with: {{text: '{{{{ inputs.text }}}}'}}}}
- {{id: block, {_EDGE}, undo: {{after: 1h}}}}
- {{id: rest, wait: {{for: 5m}}}}
""",
    "event": """\
- {id: w, wait: {event: case.closed, timeout: 12h}, on_failure: [{id: late, action: api.call, with: {text: late}}]}
- {id: say, action: api.once}
""",
    "undoes": f"""\
- {{id: block, {_BLOCK}, undo: {{after: 24h}}}}
- {{id: rest, wait: {{for: 30m}}}}
- {{id: back, undo: [block]}}
- {{id: say, action: api.call}}
""",
    "slots": """\
- {id: first, action: api.call, with: {n: 1}}
- {id: rest, wait: {for: 45m}}
- {id: last, action: api.once, with: {n: 2}}
""",
}
_MORE = {
    "parent": "",
    "child": "inputs: {text: {type: string, required: true}}\noutputs: {said: '{{ inputs.text }}'}\n",
    "slots": "concurrency: {key: '{{ alert.rule_name }}', limit: 1, when_full: queue}\n",
    "fan": "finally: [{id: bye, action: api.call, with: {text: bye}}]\n",
    "items": "on_failure: [{id: sorry, action: api.call, with: {text: sorry}}]\n",
}
_TRIGGER = "trigger: {match: {any: {severity|exists: true}}}\n"

PLAYBOOKS: dict[str, Playbook] = {
    name: parse_playbook(f"id: {name}\n{_TRIGGER}{_MORE.get(name, '')}steps:\n{text}", f"{name}.yaml")
    for name, text in _TEXTS.items()
}
ROOTS = tuple(name for name in PLAYBOOKS if name != "child")
