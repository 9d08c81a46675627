"""Playbooks: read with their places, checked, kept in a catalog."""

from soar.playbook.load import draft_playbook, parse_playbook

__all__ = ["draft_playbook", "parse_playbook"]
