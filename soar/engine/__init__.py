"""The engine: a pure interpreter that says what is next, and a shell that does it and writes it down."""

from soar.engine.again import run_again
from soar.engine.clearance import Guardrails
from soar.engine.drift import Upkeep
from soar.engine.places import listened
from soar.engine.rerun import Rerun
from soar.engine.worker import Engine, Limits

__all__ = ["Engine", "Guardrails", "Limits", "Rerun", "Upkeep", "listened", "run_again"]
