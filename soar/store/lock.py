"""One engine per database file, by a lock of the operating system that ends with its process (S42).

The lock is advisory and local: a database on a network drive is not protected by it. A PostgreSQL database
has any number of engines, and no such lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from soar.errors import StoreBusy, StoreUnavailable
from soar.store.database import is_postgres
from soar.store.sqlite import file_of

_SERVES: Final = " serves"


@contextmanager
def engine_lock(url: str, *, serving: bool = False) -> Iterator[None]:
    """Be the engine of this database until the block ends; `serving`: a server, which takes SIGHUP as a request.

    Raises:
        StoreBusy: another process is; it is named.
    """
    if is_postgres(url):
        yield
        return
    path = file_of(url)
    beside = path.with_name(path.name + ".engine")
    try:
        handle = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnavailable(f"{beside}: cannot be opened ({error.strerror})") from error
    try:
        _take(handle, str(path), serving)
        yield
    finally:
        os.close(handle)


def serving_process(url: str) -> int | None:
    """The server that is the engine of this database now; None where there is none, or only a command is at work.

    A command must not be sent SIGHUP: it would end in the middle of an upgrade.
    """
    if is_postgres(url):
        return None
    path = file_of(url)
    try:
        handle = os.open(path.with_name(path.name + ".engine"), os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, serves, _ = os.read(handle, 32).decode("ascii", "replace").partition(_SERVES)
        return int(pid) if serves and pid.isdigit() else None
    finally:
        os.close(handle)
    return None


def _take(handle: int, path: str, serving: bool) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(handle, 32).decode("ascii", "replace").partition(" ")[0].strip() or "unknown"
        raise StoreBusy(
            f"{path}: process {pid} is its engine already; end that one first, or give this one another `database`"
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}{_SERVES if serving else ''}\n".encode())
