"""How a command ends when it cannot do what was asked: one line on stderr that names the remedy, and a code."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Iterator
from typing import Final

import typer

from soar.cli.output import complain, note
from soar.errors import ConfigError, DefinitionError, Problem, SchemaOutOfDate, SoarError, StoreUnavailable

FAILED: Final = 1
USAGE: Final = 2


class UsageFault(SoarError):
    """The command was asked for something that cannot be asked."""


def explain(error: Exception, *, debug: bool = False) -> int:
    """Say on stderr what went wrong and what to do about it; the exit code."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    lines, code = _sorted(error)
    first, *rest = lines
    complain(first)
    for line in rest:
        note(f"  {line}")
    return code


def _sorted(error: Exception) -> tuple[list[str], int]:
    """What to say of an error, and its exit code."""
    match error:
        case UsageFault():
            return [str(error)], USAGE
        case ConfigError():
            return list(_with_problems(str(error), error.problems)), USAGE
        case DefinitionError():
            return list(_with_problems("the files do not load; `soar check` shows each place", error.problems)), FAILED
        case SchemaOutOfDate() | StoreUnavailable():
            return [_naming(str(error), "soar db upgrade" if isinstance(error, SchemaOutOfDate) else "")], FAILED
        case SoarError():
            return [str(error) or type(error).__name__], FAILED
        case typer.TyperException():
            return [_usage(error)], USAGE
        case OSError():
            return [_system(error)], FAILED
    return _unforeseen(error), FAILED


def _with_problems(message: str, problems: tuple[Problem, ...]) -> Iterator[str]:
    if len(problems) == 1:
        yield str(problems[0])
        return
    yield message
    if problems:
        yield from map(str, problems)


def _naming(message: str, remedy: str) -> str:
    """The message, with its remedy when it does not say it yet."""
    return message if remedy in message else f"{message}; run `{remedy}`"


def _usage(error: typer.TyperException) -> str:
    """A mistyped command line, with where to read on."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "soar"
    text = error.format_message().rstrip(".")
    return f"{text[:1].lower()}{text[1:]}; see `{path} --help`"


def _system(error: OSError) -> str:
    """An error of the operating system, in words with a remedy where one is known."""
    where = f"{error.filename}: " if error.filename else ""
    remedies = {
        errno.ENOENT: "give the path of a file that exists",
        errno.EACCES: "check its owner and mode",
        errno.EADDRINUSE: "stop the program that listens there, or set another `listen`",
        errno.ENOSPC: "free some space",
        errno.EISDIR: "give the path of a file",
    }
    reason = error.strerror or str(error) or type(error).__name__
    remedy = remedies.get(error.errno or 0, "")
    return f"{where}{reason[:1].lower()}{reason[1:]}" + (f"; {remedy}" if remedy else "")


def _unforeseen(error: Exception) -> list[str]:
    """A fault of ours: what it was in one line, and how to see more."""
    text = str(error).splitlines()
    return [
        f"this should not have happened: {type(error).__name__}{': ' + text[0] if text else ''}; please report it",
        "with SOAR_DEBUG=1 in the environment the same command shows where it happened",
    ]
