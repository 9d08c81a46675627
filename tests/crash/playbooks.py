"""A playbook with every kind of step, the one it calls, and one that a person cancels."""

from __future__ import annotations

EVERY_KIND = """\
id: every-kind
trigger: {match: {selection: {rule_name: Token replay}}}
concurrency: {key: "{{ alert.client_id }}", limit: 1, when_full: queue}
timeout: 1h
outputs: {ref: "{{ vars.ref }}", turns: "{{ vars.turn }}", child: "{{ steps.child.output.receipt }}"}
steps:
  - set: {ref: "{{ alert.source_ref }}", turn: 0, branch: none}
  - {id: look, action: api.get, with: {path: /look, query: {ref: "{{ vars.ref }}"}}}
  - {id: until, wait: {until: alert.raw.release_at}}
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
  - id: ladder
    action: fence.block_ip
    with: {ip: 198.51.100.7, ref: "{{ vars.ref }}-ladder"}
    undo: {after: [1h, 1s]}
  - id: route
    switch:
      - when: alert.raw.place == 2
        steps: [{fail: "{{ vars.ref }} is the second of its client"}]
      - {when: alert.raw.place == 3, steps: [{stop: never}]}
    else: [{set: {branch: routed}}]
  - {id: taken-back, undo: [ladder]}
  - id: group
    steps:
      - id: block
        action: fence.block_ip
        with: {ip: "{{ alert.src_ip }}", ref: "{{ vars.ref }}-short"}
        undo: {after: 1s}
      - id: flaky
        action: api.request
        with: {method: POST, path: /flaky, json: {ref: "{{ vars.ref }}"}}
        retry: {attempts: 6, delay: 1s}
      - id: lost
        action: api.request
        with: {method: POST, path: /lost, json: {ref: "{{ vars.ref }}"}}
        retry: {attempts: 6, delay: 1s}
  - id: all
    parallel:
      - {id: left, action: api.request, with: {method: POST, path: /left, json: {ref: "{{ vars.ref }}"}}}
      - id: right
        steps:
          - {id: rest, wait: {for: 1s}}
          - {id: after-rest, action: api.request, with: {method: POST, path: /right, json: {ref: "{{ vars.ref }}"}}}
  - id: any
    join: any
    parallel:
      - {id: quick, action: api.request, with: {method: POST, path: /quick, json: {ref: "{{ vars.ref }}"}}}
      - id: slow
        steps:
          - {id: hour, wait: {for: 1h}}
          - {id: late, action: api.request, with: {method: POST, path: /late, json: {ref: "{{ vars.ref }}"}}}
  - id: two
    join: 2
    parallel:
      - {id: one, action: api.request, with: {method: POST, path: /one, json: {ref: "{{ vars.ref }}"}}}
      - {id: another, action: api.request, with: {method: POST, path: /another, json: {ref: "{{ vars.ref }}"}}}
      - {id: nobody, wait: {event: nobody.tells, timeout: 1h}}
  - id: each
    for_each: "['a', 'b', 'c']"
    concurrency: 2
    on_failure: continue
    steps:
      - {id: item, action: api.request, with: {method: POST, path: /item, json: {ref: "{{ vars.ref }}-{{ item }}"}}}
  - id: poll
    while: vars.turn < 2
    max_iterations: 5
    steps:
      - id: turn
        action: api.request
        with: {method: POST, path: /turn, json: {ref: "{{ vars.ref }}-{{ loop.index }}"}}
      - {set: {turn: "{{ loop.index }}"}}
  - {id: ask, approval: {message: "Go on with {{ vars.ref }}?", approvers: {user: ana}, timeout: 1h}}
  - id: guarded
    approval: {message: "Keep it out?", approvers: {users: [ana, ben], required: 2}, timeout: 1h}
    action: fence.block_ip
    with: {ip: 198.51.100.8, ref: "{{ vars.ref }}-guarded"}
    undo: {after: 1s}
  - {id: told, wait: {event: payout.reviewed, match: {case: "{{ vars.ref }}"}, timeout: 1h}}
  - {id: child, playbook: child, with: {ref: "{{ vars.ref }}"}}
  - {id: child-undone, undo: [child]}
  - id: refused
    action: api.request
    with: {method: POST, path: /refused, json: {ref: "{{ vars.ref }}"}}
    on_failure:
      - {id: mend, action: api.request, with: {method: POST, path: /mend, json: {ref: "{{ vars.ref }}"}}}
  - {id: last, action: api.request, with: {method: POST, path: /last, json: {ref: "{{ vars.ref }}"}}}
on_failure:
  - {id: sorry, action: api.request, with: {method: POST, path: /sorry, json: {ref: "{{ vars.ref }}"}}}
finally:
  - {id: closing, action: api.request, with: {method: POST, path: /closing, json: {ref: "{{ vars.ref }}"}}}
"""

CHILD = """\
id: child
trigger: {}
inputs: {ref: {type: string, required: true}}
outputs: {receipt: "{{ steps.inside.output.body.receipt }}"}
steps:
  - {id: inside, action: api.request, with: {method: POST, path: /inside, json: {ref: "{{ inputs.ref }}"}}}
  - {id: nap, wait: {for: 1s}}
  - id: kept-out
    action: fence.block_ip
    with: {ip: 198.51.100.10, ref: "{{ inputs.ref }}-child"}
    undo: never
"""

LINGERING = """\
id: lingering
trigger: {match: {selection: {rule_name: Token theft}}}
steps:
  - id: hold
    action: fence.block_ip
    with: {ip: 198.51.100.9, ref: "{{ alert.source_ref }}-held"}
    undo: never
  - {id: linger, wait: {for: 1h}}
  - {id: late, action: api.request, with: {method: POST, path: /late, json: {ref: "{{ alert.source_ref }}"}}}
on_failure:
  - {id: sorry, action: api.request, with: {method: POST, path: /sorry, json: {ref: "{{ alert.source_ref }}"}}}
finally:
  - {id: closing, action: api.request, with: {method: POST, path: /closing, json: {ref: "{{ alert.source_ref }}"}}}
"""

CHANGES = frozenset(
    f"{path} {ref}"
    for ref, paths in {
        "first": "/first /flaky /lost /left /right /quick /one /another /inside /refused /mend /last /closing",
        "first-a": "/item",
        "first-b": "/item",
        "first-c": "/item",
        "first-1": "/turn",
        "first-2": "/turn",
        "first-ladder": "/block /unblock",
        "first-short": "/block /unblock",
        "first-guarded": "/block /unblock",
        "first-child": "/block /unblock",
        "second": "/first /sorry /closing",
        "second-ladder": "/block /unblock",
        "third": "/closing",
        "third-held": "/block /unblock",
    }.items()
    for path in paths.split()
)
"""What all of them together change, each once; nothing else may be changed."""
