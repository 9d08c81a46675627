"""How an older schema becomes this version's: one alembic revision for each change of `tables`.

A new revision is a file in `versions`, its number at the end of `schema.REVISIONS`, and the dump of
its schema beside those in tests/store/schemas, which holds the two ways to a schema to one result.
"""
