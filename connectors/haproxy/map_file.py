"""The map file on disk: what HAProxy reads at its next reload, which forgets all that was set at run time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_entry(path: Path, key: str, value: str | None) -> None:
    """Put one entry in its file, or take it out; other lines stay as they are, comments too.

    The file is replaced in one step, so that a reload never reads half of it.
    """
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if line.split(maxsplit=1)[:1] != [key]]
    wanted = kept if value is None else [*kept, f"{key} {value}"]
    if wanted != lines:
        _replace(path, "".join(f"{line}\n" for line in wanted))


def _replace(path: Path, text: str) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).chmod(mode)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
