"""The schema, step by step: numbered, in order, each in one transaction; `meta` holds the number reached.

Plain statements with some words that differ between the databases. A step that was released is never edited: a change of
`tables.py` comes with one more step, and a test replays them all and compares.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from connector.store.database import Database, JournalDamaged

__all__ = ["LATEST", "STEPS", "migrate", "version"]

_WORDS = {
    "sqlite": {
        "serial": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "blob": "BLOB",
        "double": "DOUBLE",
        "external": "",
        "by_point": "",
        "yes": " = 1",
        "by_character": "",
    },
    "postgresql": {
        "serial": "BIGSERIAL PRIMARY KEY",
        "blob": "BYTEA",
        "double": "DOUBLE PRECISION",
        "yes": "",
        "by_point": 'COLLATE "C"',
        # ranges of texts, whatever the database's locale
        "by_character": 'ALTER TABLE fhir_index ALTER COLUMN value TYPE TEXT COLLATE "C"',
        # bodies are compressed or encrypted already, or small: no second compression
        "external": "ALTER TABLE content ALTER COLUMN body SET STORAGE EXTERNAL; ALTER TABLE message ALTER COLUMN raw SET STORAGE EXTERNAL",
    },
}

_FIRST = """
CREATE TABLE message (id {serial}, received {double} NOT NULL, received_at TEXT NOT NULL, endpoint TEXT NOT NULL,
  remote TEXT NOT NULL, format TEXT NOT NULL, sender TEXT NOT NULL, control_id TEXT NOT NULL, identity TEXT, type TEXT NOT NULL,
  digest TEXT NOT NULL, size BIGINT NOT NULL, state TEXT NOT NULL, "key" TEXT NOT NULL, patient TEXT NOT NULL,
  mapping TEXT NOT NULL, answer TEXT NOT NULL, severity INTEGER NOT NULL, codes TEXT NOT NULL, possible_duplicate_of BIGINT,
  conflicts_with BIGINT, judged {double}, answers {blob} NOT NULL, issues {blob} NOT NULL, contents {blob} NOT NULL,
  exchange {blob}, raw {blob});
CREATE INDEX message_identity ON message (identity, id);
CREATE INDEX message_received ON message (received);
CREATE INDEX message_patient ON message (patient, id) WHERE patient <> '';
CREATE INDEX message_unjudged ON message (state, id) WHERE state IN ('received', 'parked');
CREATE TABLE document (document_id TEXT NOT NULL, message_id BIGINT NOT NULL, PRIMARY KEY (document_id, message_id));
CREATE INDEX document_message ON document (message_id);
CREATE TABLE content (sha256 TEXT NOT NULL PRIMARY KEY, size BIGINT NOT NULL, created {double} NOT NULL, body {blob});
CREATE TABLE content_use (sha256 TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (sha256, owner));
CREATE INDEX content_use_owner ON content_use (owner);
CREATE TABLE lane (id {serial}, destination TEXT NOT NULL, "key" TEXT NOT NULL, bucket INTEGER NOT NULL,
  active BOOLEAN NOT NULL, due {double} NOT NULL, version BIGINT NOT NULL, CONSTRAINT lane_of UNIQUE (destination, "key"));
CREATE INDEX lane_ready ON lane (destination, due, id) WHERE active{yes};
CREATE TABLE delivery (id {serial}, message_id BIGINT NOT NULL, lane_id BIGINT NOT NULL, destination TEXT NOT NULL,
  state TEXT NOT NULL, open BOOLEAN NOT NULL, resent BOOLEAN NOT NULL, attempts INTEGER NOT NULL, queued {double} NOT NULL,
  sent_at {double}, settled {double}, reference TEXT NOT NULL, issues {blob} NOT NULL, sent_digest TEXT, sent {blob}, reply {blob});
CREATE INDEX delivery_open ON delivery (lane_id, id) WHERE open{yes};
CREATE INDEX delivery_message ON delivery (message_id);
CREATE INDEX delivery_attention ON delivery (destination, id) WHERE state IN ('parked', 'rejected');
CREATE TABLE fhir_resource (type TEXT NOT NULL, id TEXT NOT NULL, sequence BIGINT NOT NULL, version INTEGER NOT NULL,
  updated {double} NOT NULL, media_type TEXT, digest TEXT, body {blob} NOT NULL, PRIMARY KEY (type, id));
CREATE INDEX fhir_resource_newest ON fhir_resource (type, sequence);
CREATE TABLE fhir_index (type TEXT NOT NULL, id TEXT NOT NULL, parameter TEXT NOT NULL, system TEXT NOT NULL,
  value TEXT NOT NULL, low {double}, high {double});
CREATE INDEX fhir_index_value ON fhir_index (type, parameter, value);
CREATE INDEX fhir_index_low ON fhir_index (type, parameter, low);
CREATE INDEX fhir_index_of ON fhir_index (type, id);
{external}
"""

_TERMINOLOGY_TASKS = """
CREATE TABLE terminology_task (id {serial}, terminology TEXT NOT NULL, way TEXT NOT NULL, side TEXT NOT NULL, system TEXT NOT NULL,
  code TEXT NOT NULL, first_seen {double} NOT NULL, last_seen {double} NOT NULL, seen BIGINT NOT NULL, message_id BIGINT NOT NULL,
  ignored BOOLEAN NOT NULL, CONSTRAINT terminology_task_of UNIQUE (terminology, way, side, system, code))
"""

# Versions of FHIR resources are kept; index rows name their resource by its number, in the order of creation.
_VERSIONS = """
CREATE TABLE fhir_version (type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, updated {double} NOT NULL,
  media_type TEXT, digest TEXT, body {blob} NOT NULL, PRIMARY KEY (type, id, version));
DROP INDEX fhir_resource_newest;
CREATE UNIQUE INDEX fhir_resource_newest ON fhir_resource (type, sequence);
CREATE INDEX fhir_resource_updated ON fhir_resource (type, updated);
ALTER TABLE fhir_index ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0;
UPDATE fhir_index SET sequence = COALESCE((SELECT r.sequence FROM fhir_resource r
  WHERE r.type = fhir_index.type AND r.id = fhir_index.id), 0);
DROP INDEX fhir_index_value;
DROP INDEX fhir_index_low;
DROP INDEX fhir_index_of;
ALTER TABLE fhir_index DROP COLUMN id;
{by_character};
CREATE INDEX fhir_index_value ON fhir_index (type, parameter, value, sequence);
CREATE INDEX fhir_index_low ON fhir_index (type, parameter, low) WHERE low IS NOT NULL;
CREATE INDEX fhir_index_of ON fhir_index (type, sequence, parameter, value)
"""

_PATIENTS = """
CREATE TABLE patient (id {serial}, message_id BIGINT NOT NULL, updated {double} NOT NULL, source TEXT NOT NULL,
  identity BOOLEAN NOT NULL, fingerprint {blob} NOT NULL, family TEXT {by_point} NOT NULL, given TEXT {by_point} NOT NULL,
  birth_date TEXT NOT NULL, sex TEXT NOT NULL, merged_into BIGINT, merged_by BIGINT, merged_at {double}, body {blob} NOT NULL);
CREATE TABLE patient_name (patient_id BIGINT NOT NULL, family TEXT {by_point} NOT NULL, given TEXT {by_point} NOT NULL);
CREATE INDEX patient_name_of ON patient_name (patient_id);
CREATE INDEX patient_name_family ON patient_name (family, given);
CREATE TABLE patient_identifier (value TEXT NOT NULL, domain TEXT NOT NULL, patient_id BIGINT NOT NULL, ended_by BIGINT,
  PRIMARY KEY (value, domain, patient_id));
CREATE INDEX patient_identifier_of ON patient_identifier (patient_id);
CREATE INDEX lane_key ON lane ("key");
ALTER TABLE document ADD COLUMN role TEXT NOT NULL DEFAULT 'submit';
ALTER TABLE document ADD COLUMN detail TEXT NOT NULL DEFAULT ''
"""

_EXCHANGES = """
CREATE TABLE exchange (id TEXT {by_point} NOT NULL PRIMARY KEY, message_id BIGINT NOT NULL, mode TEXT NOT NULL, state TEXT NOT NULL,
  updated {double} NOT NULL);
CREATE INDEX exchange_updated ON exchange (updated, id);
CREATE INDEX exchange_mode ON exchange (mode, updated, id);
CREATE INDEX exchange_message ON exchange (message_id);
CREATE TABLE exchange_patient (value TEXT NOT NULL, system TEXT NOT NULL, exchange_id TEXT {by_point} NOT NULL,
  PRIMARY KEY (value, system, exchange_id));
CREATE INDEX exchange_patient_of ON exchange_patient (exchange_id)
"""

# To a destination that gets HL7 v2 written, one delivery for each message that says the exchange.
_PARTS = "ALTER TABLE delivery ADD COLUMN part TEXT NOT NULL DEFAULT ''"

STEPS: tuple[tuple[int, str], ...] = (
    (1, _FIRST),
    (2, _TERMINOLOGY_TASKS),
    (3, _VERSIONS),
    (4, _PATIENTS),
    (5, _EXCHANGES),
    (6, _PARTS),
)
LATEST = STEPS[-1][0]

# One node migrates, the others wait (PostgreSQL); any fixed number.
_MIGRATION_LOCK = 7102_000


def version(connection: Any) -> int:
    """The number of the last step that was made; 0 for an empty database."""
    if not sa.inspect(connection).has_table("meta"):
        return 0
    found = connection.execute(sa.text("SELECT value FROM meta WHERE name = 'schema'")).scalar()
    return int(found) if found is not None else 0


def migrate(database: Database) -> int:
    """Make the steps that are missing; returns the version. Raises JournalDamaged for a journal of a newer program."""
    engine = database.writing_engine()
    with engine.connect() as connection:
        if not database.lite:
            connection.execute(sa.text("SELECT pg_advisory_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            connection.commit()
        try:
            return _missing_steps(connection, database.dialect.name)
        finally:
            connection.rollback()
            if not database.lite:
                connection.execute(sa.text("SELECT pg_advisory_unlock(:lock)"), {"lock": _MIGRATION_LOCK})
                connection.commit()


def _missing_steps(connection: sa.Connection, dialect: str) -> int:
    reached = version(connection)
    connection.rollback()
    if reached > LATEST:
        raise JournalDamaged(f"the journal has schema {reached}, this program knows {LATEST}: use the newer program")
    for number, text in STEPS:
        if number > reached:
            _step(connection, dialect, number, text)
    return LATEST


def _step(connection: sa.Connection, dialect: str, number: int, text: str) -> None:
    if dialect == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    if number == 1:
        connection.exec_driver_sql("CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)")
        connection.exec_driver_sql("INSERT INTO meta (name, value) VALUES ('schema', '0')")
    for statement in text.format_map(_WORDS[dialect]).split(";"):
        if statement.strip():
            connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"UPDATE meta SET value = '{number}' WHERE name = 'schema'")  # noqa: S608 - our own number
    connection.exec_driver_sql("COMMIT") if dialect == "sqlite" else connection.commit()
