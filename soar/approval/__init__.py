"""Requests to people: carried to them, answered by them, settled once. Rights are looked at when a word is said (S28).

* `decide`, `glass`, `review`: a person's word, whether it counts, and what follows when one approves alone
* `courier`, `destinations`, `notices`, `progress`, `lines`: the way out, by rows of messages
* `desk`: the way in, from every channel
* `service`: all of it in one process

docs/decisions/approvals.md says why.
"""

from soar.approval.decide import Word, decide, described, refusal

__all__ = ["Word", "decide", "described", "refusal"]
