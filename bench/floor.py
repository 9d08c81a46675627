"""The floor: the least a server could do. `python -m bench.floor --client aiohttp --port P --database F --target URL`.

FastAPI on uvicorn (uvloop, httptools); each alert is inserted in SQLite (WAL, synchronous=FULL) before
its 202, then three HTTP calls are made and the result is committed. No signature check, no playbook, no
history, no recovery.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from httpx_aiohttp import AiohttpTransport

Post = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
CLIENTS = ("aiohttp", "httpx")


@asynccontextmanager
async def bare_aiohttp(base: str) -> AsyncIterator[Post]:
    """aiohttp itself, one session."""
    async with aiohttp.ClientSession(base, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
            async with session.post(path, json=body) as reply:
                answer: dict[str, Any] = await reply.json()
                return answer

        yield post


@asynccontextmanager
async def httpx_over_aiohttp(base: str) -> AsyncIterator[Post]:
    """httpx's client with aiohttp underneath, as the server uses it."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=base, transport=AiohttpTransport(limits=limits)) as client:

        async def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
            answer: dict[str, Any] = (await client.post(path, json=body)).json()
            return answer

        yield post


def open_database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS alert (id TEXT PRIMARY KEY, ref TEXT UNIQUE, body TEXT, result TEXT)")
    return database


async def three_calls(post: Post, alert: dict[str, Any]) -> str:
    """The same three calls the playbook makes; each carries what the one before answered."""
    ref = alert["id"]
    first = await post("/first", {"ref": ref, "ip": alert["src_ip"]})
    second = await post("/second", {"ref": ref, "user": alert["user"], "after": first["receipt"]})
    third = await post("/third", {"ref": ref, "title": alert["title"], "after": second["receipt"]})
    return orjson.dumps([first, second, third]).decode()


def create_app(database: sqlite3.Connection, client: Callable[[str], Any], target: str) -> FastAPI:
    running: set[asyncio.Task[None]] = set()
    clients: list[Post] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with client(target) as post:
            clients.append(post)
            yield

    app = FastAPI(lifespan=lifespan)

    async def run(identity: str, alert: dict[str, Any]) -> None:
        result = await three_calls(clients[0], alert)
        database.execute("UPDATE alert SET result = ? WHERE id = ?", (result, identity))  # autocommit: one fsync

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/webhooks/bench", status_code=202)
    async def receive(request: Request) -> Response:
        body = await request.body()
        alert = orjson.loads(body)
        identity = uuid.uuid4().hex
        database.execute("INSERT INTO alert VALUES (?, ?, ?, NULL)", (identity, alert["id"], body.decode()))
        task = asyncio.create_task(run(identity, alert))
        running.add(task)
        task.add_done_callback(running.discard)
        answer = orjson.dumps({"alerts": [{"id": identity, "duplicate": False}]})
        return Response(answer, status_code=202, media_type="application/json")

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", choices=CLIENTS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--target", required=True)
    options = parser.parse_args()
    client = bare_aiohttp if options.client == "aiohttp" else httpx_over_aiohttp
    app = create_app(open_database(options.database), client, options.target)
    uvicorn.run(
        app, host="127.0.0.1", port=options.port, loop="uvloop", http="httptools", access_log=False, backlog=2048
    )


if __name__ == "__main__":
    main()
