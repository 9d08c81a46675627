"""`soar serve` that dies by SIGKILL right before or right after its n-th write; run as `python -m tests.crash.child`.

CRASH_AT is `before:N`, `after:N`, or `never`; each write is counted in the file CRASH_COUNT. A write is one
transaction of the store's writer, whatever stands in it.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from soar.cli.app import main
from soar.store.writer import Writer


def arm(side: str, number: int, count: Path) -> None:
    """Have this process die at that write."""
    numbers = itertools.count(1)
    write = Writer._write

    def counted(self: Writer, group: Sequence[Any]) -> Sequence[Any]:
        current = next(numbers)
        if (side, number) == ("before", current):
            os.kill(os.getpid(), signal.SIGKILL)
        results = write(self, group)
        count.write_text(str(current))
        if (side, number) == ("after", current):
            os.kill(os.getpid(), signal.SIGKILL)
        return results

    Writer._write = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    side, _, number = os.environ["CRASH_AT"].partition(":")
    arm(side, int(number or 0), Path(os.environ["CRASH_COUNT"]))
    main(sys.argv[1:])
