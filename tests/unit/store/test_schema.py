"""The steps of the schema make what tables.py says, and the hot statements use their indexes."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from connector.store import migrations
from connector.store.database import Database
from connector.store.tables import metadata
from tests.journal_kit import entry_of, opened


def shape(inspector):
    """Tables with their columns, keys and indexes, in a comparable form."""
    found = {}
    for table in metadata.tables:
        columns = {
            column["name"]: (column["type"].compile(), column["nullable"] and not column.get("primary_key"))
            for column in inspector.get_columns(table)
        }
        indexes = {
            index["name"]: (tuple(index["column_names"]), bool(index["unique"]))
            for index in inspector.get_indexes(table)
            if not index.get("duplicates_constraint")
        }
        key = tuple(inspector.get_pk_constraint(table)["constrained_columns"])
        unique = sorted(tuple(item["column_names"]) for item in inspector.get_unique_constraints(table))
        found[table] = (columns, indexes, key, unique)
    return found


def test_the_steps_make_the_tables(url, tmp_path, request):
    database = Database(url)
    assert migrations.migrate(database) == migrations.LATEST
    assert migrations.migrate(database) == migrations.LATEST, "a second time changes nothing"
    stepped = shape(sa.inspect(database.writing_engine()))
    if database.lite:
        other = Database(str(tmp_path / "other.db"))
    else:
        other = Database(request.getfixturevalue("postgres_server").database())
    metadata.create_all(other.writing_engine())
    assert stepped == shape(sa.inspect(other.writing_engine()))
    database.close()
    other.close()


def test_steps_are_numbered_without_gaps():
    assert [number for number, _ in migrations.STEPS] == list(range(1, migrations.LATEST + 1))


@pytest.mark.parametrize(
    ("part", "statement", "index"),
    [
        ("_lanes", "_open", "delivery_open"),
        ("_buckets", "_ready", "lane_ready"),
        ("recording", "_earlier", "message_identity"),
    ],
)
def test_hot_statements_use_their_index(tmp_path, part, statement, index):
    async def case():
        async with opened(tmp_path / "j.db") as journal:
            await journal.record(entry_of(1))
            sql = getattr(getattr(journal, part), statement).sql
            with journal.database.engine.connect() as connection:
                names = dict.fromkeys(("lane_id", "depth", "destination", "now", "wanted", "since"), 1) | {
                    "identities": "[]",
                    "param_1": 0,
                }
                plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + sql, names).all()
            assert index in str(plan), plan

    asyncio.run(case())
