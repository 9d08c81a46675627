"""Guardrails: what must never be contained, how much may be changed, and what needs a person's yes."""
