"""Where the programs lie that wheels and the system bring."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path


def find_program(name: str) -> str | None:
    """The program beside this Python first (a wheel put it there), then on the path."""
    folders = (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent)
    for folder in folders:
        if found := shutil.which(name, path=str(folder)):
            return found
    return shutil.which(name)
