"""The first schema. A file that has it was filled from `tables`; there is nothing older to come from."""

from __future__ import annotations

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: see above."""
