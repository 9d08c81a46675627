"""HAProxy's runtime API: one command per connection, text in, text out, and no status code."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from soar.sdk import OutcomeUnknown, Refused, Unavailable

_ANSWER_LIMIT: Final = 16 * 1024 * 1024
_ABSENT: Final = ("key not found", "entry not found")


@dataclass(frozen=True, slots=True)
class Runtime:
    """The stats socket of one HAProxy process: a path, or `host:port`."""

    address: str

    async def entries(self, map_file: str) -> dict[str, str]:
        """Every key of a map with its value. A key stored twice shows its first value, which is the one that counts."""
        found: dict[str, str] = {}
        for line in (await self._ask(f"show map {map_file}", changes=False)).splitlines():
            _, _, pair = line.partition(" ")
            key, _, value = pair.partition(" ")
            if key:
                found.setdefault(key, value)
        return found

    async def add(self, map_file: str, key: str, value: str) -> None:
        """Add an entry; adding it again would store it twice, so look first."""
        _expect_silence(await self._ask(f"add map {map_file} {key} {value}", changes=True))

    async def set(self, map_file: str, key: str, value: str) -> None:
        """Give the entry of that key another value."""
        _expect_silence(await self._ask(f"set map {map_file} {key} {value}", changes=True))

    async def delete(self, map_file: str, key: str) -> None:
        """Remove all entries of that key; none there is fine."""
        answer = await self._ask(f"del map {map_file} {key}", changes=True)
        if not answer.strip().lower().startswith(_ABSENT):
            _expect_silence(answer)

    async def version(self) -> str:
        """What answers, as it names itself."""
        lines = (await self._ask("show info", changes=False)).splitlines()
        facts = dict(line.split(": ", 1) for line in lines if ": " in line)
        return f"HAProxy {facts.get('Version', '?')}"

    async def _ask(self, command: str, *, changes: bool) -> str:
        try:
            reader, writer = await self._connect()
        except OSError as error:
            raise Unavailable(
                f"no connection to HAProxy at {self.address} ({error.strerror or error}); nothing was sent"
            ) from error
        try:
            writer.write(command.encode() + b"\n")
            await writer.drain()
            answer = await _until_end(reader)
        except OSError as error:
            message = f"HAProxy at {self.address} did not finish its answer to '{command}' ({error})"
            raise (OutcomeUnknown if changes else Unavailable)(message) from error
        finally:
            writer.close()
        text = answer.decode(errors="replace")
        if not text and changes:
            # A command carried out is answered with an empty line; nothing at all means the process went away.
            raise OutcomeUnknown(f"HAProxy at {self.address} closed the connection without an answer to '{command}'")
        _check_refusal(text, command)
        return text

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.address.startswith("/"):
            return await asyncio.open_unix_connection(self.address)
        host, _, port = self.address.rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port))


async def _until_end(reader: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    while part := await reader.read(65536):
        answer += part
        if len(answer) > _ANSWER_LIMIT:
            raise Refused(
                f"HAProxy answered with more than {_ANSWER_LIMIT} bytes; the map is too large to be looked at"
            )
    return bytes(answer)


def _check_refusal(text: str, command: str) -> None:
    answer = text.strip()
    if answer.startswith("Unknown map identifier"):
        raise Refused(f"HAProxy knows no such map ('{command}'): load the file with `map(...)` in its configuration")
    if answer.startswith("Permission denied"):
        raise Refused("HAProxy's socket lacks rights: it needs `level admin`")
    if answer.startswith("Unknown command"):
        raise Refused(f"HAProxy did not understand '{command}'")


def _expect_silence(answer: str) -> None:
    if answer.strip():
        raise Refused(f"HAProxy said: {answer.strip()[:300]}")
