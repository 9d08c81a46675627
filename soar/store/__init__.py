"""The store: everything that is to outlive this process, and the only place that speaks SQL.

What goes in are units (`soar.store.units`): one unit is one atomic change, and it is on disk when
the call that wrote it returns. What comes out are the nouns of `soar.model`.

* `store` opens the database and hands out one object per subject
* `database`: what is asked of one; `sqlite`, `lock`: one file and its one engine; `postgres`, `dialect`: one server,
  for any number of engines; `schema`, `upgrade`: its tables
* `writer`, `reader`: the one thread that writes, in groups; the threads that read beside it
* `commit`, `ledger`, `inbox`, `signals`: what is written inside a transaction
* `alerts`, `executions`, `containments`, `questions`, `approvals`, `messages`, `reviews`, `sessions`, `versions`,
  `tokens`: the subjects
* `rows`, `text`, `pages`: rows in bulk, JSON in columns, lists by cursor
* `tables`, `migrations`: the schema

The same in words for who looks after a database: docs/reference/store.md.
"""

from __future__ import annotations

from soar.store import units
from soar.store.alerts import AlertCounts, AlertSummary, Share, StoredAlert
from soar.store.audit import AuditEntry, ChainState
from soar.store.budgets import BudgetView
from soar.store.database import is_postgres
from soar.store.lock import engine_lock, serving_process
from soar.store.options import PostgresOptions
from soar.store.pages import AlertFilter, ContainmentFilter, ExecutionFilter, Page
from soar.store.processes import Process
from soar.store.sessions import Session
from soar.store.store import Store
from soar.store.tokens import Token
from soar.store.upgrade import upgrade
from soar.store.versions import KeptCatalog

__all__ = [
    "AlertCounts",
    "AlertFilter",
    "AlertSummary",
    "AuditEntry",
    "BudgetView",
    "ChainState",
    "ContainmentFilter",
    "ExecutionFilter",
    "KeptCatalog",
    "Page",
    "PostgresOptions",
    "Process",
    "Session",
    "Share",
    "Store",
    "StoredAlert",
    "Token",
    "engine_lock",
    "is_postgres",
    "serving_process",
    "units",
    "upgrade",
]
