"""HAProxy's runtime socket as 2.6 answers it, for machines without HAProxy; held to the real one by the same tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path


@dataclass
class RuntimeDouble:
    """Maps as lists, because adding a key twice stores it twice."""

    ip_map: str
    client_map: str
    maps: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    silent_for: str = ""
    """Commands that begin so are carried out, and the connection is closed without an answer."""
    denied: bool = False

    def __post_init__(self) -> None:
        self.maps = {self.ip_map: [], self.client_map: []}

    def answer(self, command: str) -> str:
        if self.denied:
            return "Permission denied\n"
        words = command.split(maxsplit=4)
        if words[:2] == ["show", "info"]:
            return "Name: HAProxy\nVersion: 2.6.12\n\n"
        if len(words) < 3 or words[1] != "map":
            return "Unknown command: '" + command + "'\n"
        if words[2] not in self.maps:
            return "Unknown map identifier. Please use #<id> or <file>.\n"
        return getattr(self, words[0])(*words[2:])

    def show(self, name: str) -> str:
        return (
            "".join(f"{hex(0x55D0C0 + n * 64)} {key} {value}\n" for n, (key, value) in enumerate(self.maps[name]))
            + "\n"
        )

    def add(self, name: str, key: str, value: str) -> str:
        if name == self.ip_map and not _is_network(key):
            return f"'{key}' is not a valid IPv4 or IPv6 address.\n"
        self.maps[name].append((key, value))
        return "\n"

    def set(self, name: str, key: str, value: str) -> str:
        if key not in dict(self.maps[name]):
            return "entry not found.\n"
        self.maps[name] = [(known, value if known == key else old) for known, old in self.maps[name]]
        return "\n"

    def delete(self, name: str, key: str) -> str:
        kept = [entry for entry in self.maps[name] if entry[0] != key]
        if len(kept) == len(self.maps[name]):
            return "Key not found.\n"
        self.maps[name] = kept
        return "\n"

    def __getattr__(self, word: str) -> object:
        if word == "del":
            return self.delete
        raise AttributeError(word)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = (await reader.readline()).decode().strip()
        self.commands.append(command)
        answer = self.answer(command)
        if not (self.silent_for and command.startswith(self.silent_for)):
            writer.write(answer.encode())
        writer.close()


def _is_network(key: str) -> bool:
    try:
        ip_network(key, strict=False)
    except ValueError:
        return False
    return True


@asynccontextmanager
async def runtime_double(folder: Path) -> AsyncIterator[tuple[RuntimeDouble, str]]:
    """A double and the path of its socket."""
    double = RuntimeDouble(str(folder / "ips.map"), str(folder / "clients.map"))
    server = await asyncio.start_unix_server(double.serve, folder / "s")
    async with server:
        yield double, str(folder / "s")
