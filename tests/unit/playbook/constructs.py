"""Each construct of the language as it is written: steps, and what stands beside them."""

from __future__ import annotations

GOOD: dict[str, tuple[str, str]] = {
    "parallel": ("- {id: both, join: any, parallel: [{set: {a: 1}}, {set: {b: 2}}]}\n", ""),
    "parallel_join_number": ("- {join: 2, parallel: [{set: {a: 1}}, {set: {b: 2}}], timeout: 1m}\n", ""),
    "for_each": (
        ("- id: each\n"
        "  for_each: alert.tags\n"
        "  as: tag\n"
        "  concurrency: 5\n"
        "  on_item_failure: stop\n"
        '  steps: [{set: {last: "{{ tag }} {{ item }} {{ loop.index }}"}}]\n'
        "- {when: steps.each.items | length > 1, stop: '{{ steps.each.items[0].status }}'}\n"),
        "",
    ),
    "for_each_template": ("- {for_each: '[1, 2]', concurrency: '{{ inputs.n }}', steps: [{stop: a}]}\n",
                          "inputs: {n: {type: integer, default: 2, minimum: 1}}\n"),
    "if": ("- {if: alert.user is none, then: [{stop: a}], else: [{fail: b}]}\n", ""),
    "switch": (
        ("- switch:\n"
        "    - {when: alert.severity == 'high', steps: [{id: inner, set: {a: 1}}]}\n"
        "    - {when: alert.user is none, steps: [{stop: b}]}\n"
        "  else: [{fail: c}]\n"
        "- {stop: '{{ steps.inner.status }}'}\n"),
        "",
    ),
    "while": (
        ("- id: poll\n"
        "  while: vars.n < 3\n"
        "  max_iterations: 5\n"
        '  steps: [{id: look, set: {n: "{{ loop.index }}"}}]\n'
        "- {stop: '{{ steps.look.status }}'}\n"),
        "",
    ),
    "block": ("- {when: 'true', timeout: 5m, on_failure: continue, name: A block, steps: [{stop: a}]}\n", ""),
    "wait_for": ("- {wait: {for: 10m}}\n", ""),
    "wait_until": ("- {wait: {until: alert.occurred_at}}\n", ""),
    "wait_event": ("- {wait: {event: containment.lifted, match: {target: '{{ alert.src_ip }}'}, timeout: 1h}}\n", ""),
    "playbook": ("- {playbook: other, with: {a: 1}}\n", ""),
    "undo_step": (
        "- {id: block, action: gateway.block_ip, with: {ip: 192.0.2.1}, undo: never}\n- undo: [block]\n",
        "",
    ),
    "undo_ladder": (
        "- {action: gateway.block_ip, with: {ip: 192.0.2.1}, undo: {after: [1h, 24h, 7d], reset: 30d}}\n", ""),
    "undo_action": (
        ("- action: gateway.block_ip\n"
        "  with: {ip: 192.0.2.1}\n"
        "  undo: {after: 24h, action: tickets.create, with: {title: unblock}}\n"),
        "",
    ),
    "approval_alone": ("- {id: ask, approval: {message: 'Sure, {{ alert.user }}?', timeout: 15m}}\n", ""),
    "approval_guard": (
        ("- id: contain\n"
        "  approval:\n"
        "    message: Sure?\n"
        "    approvers: {group: soc, roles: [lead], user: ana, required: 2, not: [requester, author]}\n"
        "    timeout: 15m\n"
        "    notify: ['slack:#soc']\n"
        "    remind: 5m\n"
        "    escalate: [{to: oncall, timeout: 15m}, {to: [ana, 'slack:#all'], timeout: 1h}]\n"
        "    on_timeout: reject\n"
        "  steps: [{stop: a}]\n"),
        "",
    ),
    "retry": ("- {action: tickets.create, retry: {attempts: 5, delay: 3s, backoff: fixed}, timeout: 1m}\n", ""),
    "set_stop_fail": ("- {set: {x: [1, {y: '{{ now }}'}]}}\n- {fail: b}\n", ""),
    "inputs_and_outputs": (
        "- {stop: '{{ inputs.user }}'}\n",
        ("inputs:\n"
        "  user: {type: string, required: true, description: Whom, pattern: '^[a-z]+$', minLength: 1, maxLength: 9}\n"
        "  level: {type: string, enum: [low, high], default: low}\n"
        "  ips: {type: array, items: {type: string, format: ipv4}, minItems: 1, maxItems: 3}\n"
        "  more: {type: object, properties: {n: {type: number, minimum: 0, maximum: 1.5}}}\n"
        "outputs: {user: '{{ inputs.user }}', n: 5}\n"),
    ),
    "head": (
        "- {stop: a}\n",
        ("name: A\ndescription: B\ntags: [c, d]\nauthor: ana\nmode: shadow\npriority: -100\nexclusive: true\n"
        "valid_from: 2026-01-31\nvalid_until: 2026-02-28T08:00:00+01:00\ntimeout: 2h\n"
        "concurrency: {key: '{{ alert.user }}', limit: 3, when_full: cancel_oldest}\n"),
    ),
    "last": (
        "- {stop: a}\n",
        "on_failure: [{set: {why: '{{ error.message }}'}}]\nfinally: [{set: {what: '{{ error.step }}'}}]\n",
    ),
}  # fmt: skip

TRIGGERS: dict[str, str] = {
    "by hand": "{}",
    "weekly": '{schedule: {cron: "0 6 * * mon", timezone: Europe/Berlin, missed: skip}}',
    "every seven seconds": '{schedule: {cron: "*/7 * * * * *", missed: run_all}}',
    "many cron parts": '{schedule: {cron: "0,30 8-17/2 1-15 jan-jun *"}}',
    "event": "{event: containment.*}",
    "all of them": "{match: {a: {severity|gte: high}}, source: siem, event: a.b, schedule: {cron: 0 6 * * 1}}",
    "selections": "{match: {a: [{raw.x|re|i: [x, y]}, {observables.value: 5}], b: {tags|contains|all: [x]}, "
    "condition: a and not b}}",
}
