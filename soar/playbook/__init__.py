"""Playbooks: read with their places, checked, kept in a catalog."""

from soar.playbook.catalog import Catalog, load_catalog, load_files, playbook_files
from soar.playbook.check import check_playbook
from soar.playbook.load import draft_playbook, parse_playbook

__all__ = [
    "Catalog",
    "check_playbook",
    "draft_playbook",
    "load_catalog",
    "load_files",
    "parse_playbook",
    "playbook_files",
]
