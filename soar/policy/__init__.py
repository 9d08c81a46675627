"""Guardrails: what must never be contained, how much may be changed, and what needs a person's yes."""

from soar.policy.judge import Policy
from soar.policy.load import Rules, load_rules
from soar.policy.own import OwnAddresses

__all__ = ["OwnAddresses", "Policy", "Rules", "load_rules"]
