"""The floor of the scale-out: `python -m bench.scale_floor --database URL --target URL --lanes N`.

A bare loop, many times side by side: claim a row by SELECT ... FOR UPDATE SKIP LOCKED, make the same three calls, write
the result and commit. No queue, no playbook, no history, no recovery but that of the open transaction.
"""

from __future__ import annotations

import argparse
import asyncio

import orjson
import psycopg
import uvloop

from bench.floor import Post, httpx_over_aiohttp, three_calls

TABLE = "CREATE TABLE floor_jobs (id bigserial PRIMARY KEY, alert text NOT NULL, result text)"
INDEX = "CREATE INDEX floor_jobs_open ON floor_jobs (id) WHERE result IS NULL"
_CLAIM = "SELECT id, alert FROM floor_jobs WHERE result IS NULL ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1"


async def lane(database: str, post: Post) -> None:
    """One after the other, until nothing is left to claim."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        while True:
            async with connection.transaction():
                row = await (await connection.execute(_CLAIM)).fetchone()
                if row is None:
                    return
                result = await three_calls(post, orjson.loads(row[1]))
                await connection.execute("UPDATE floor_jobs SET result = %s WHERE id = %s", (result, row[0]))


async def work(database: str, target: str, lanes: int) -> None:
    async with httpx_over_aiohttp(target) as post:
        await asyncio.gather(*[lane(database, post) for _ in range(lanes)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale_floor", description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--lanes", type=int, default=32)
    options = parser.parse_args()
    uvloop.run(work(options.database, options.target, options.lanes))


if __name__ == "__main__":
    main()
