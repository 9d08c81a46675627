"""Who may answer a request, and how an answer is given: rights are looked at when a word is said (S28)."""

from soar.approval.decide import Word, decide, described, refusal

__all__ = ["Word", "decide", "described", "refusal"]
