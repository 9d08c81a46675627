"""Playbooks: read with their places, checked, kept in a catalog."""

from soar.playbook.callers import reachable
from soar.playbook.catalog import Catalog, load_catalog, load_files, playbook_files
from soar.playbook.check import check_playbook
from soar.playbook.concurrency import slot_of
from soar.playbook.fitting import fitted
from soar.playbook.load import draft_playbook, parse_playbook
from soar.playbook.people import Staff

__all__ = [
    "Catalog",
    "Staff",
    "check_playbook",
    "draft_playbook",
    "fitted",
    "load_catalog",
    "load_files",
    "parse_playbook",
    "playbook_files",
    "reachable",
    "slot_of",
]
