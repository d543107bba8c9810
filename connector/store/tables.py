"""The tables of the journal and of the document store, in SQLAlchemy Core; the same on SQLite and PostgreSQL.

`migrations.py` makes them step by step; a test replays the steps and compares the result with what is written here.
Times are seconds since the epoch on the journal's own clock (`store/times.py`), except `received_at`, which is kept as given.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

__all__ = [
    "ATTENTION",
    "content",
    "content_use",
    "delivery",
    "document",
    "exchange",
    "exchange_patient",
    "fhir_index",
    "fhir_resource",
    "fhir_version",
    "lane",
    "message",
    "meta",
    "metadata",
    "patient",
    "patient_identifier",
    "patient_name",
    "terminology_task",
]

metadata = MetaData()
Id = BigInteger().with_variant(Integer, "sqlite")

# What a person must look at. The partial index and the queries say it with the same words, else it is not used.
ATTENTION = "state IN ('parked', 'rejected')"


meta = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

message = Table(
    "message",
    metadata,
    Column("id", Id, primary_key=True),
    Column("received", Double, nullable=False),
    Column("received_at", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("remote", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("control_id", Text, nullable=False),
    Column("identity", Text),  # sender and control id, bounded; NULL when there is no control id
    Column("type", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("patient", Text, nullable=False),
    Column("mapping", Text, nullable=False),
    Column("answer", Text, nullable=False),  # none, pending, told, untold
    Column("severity", Integer, nullable=False),
    Column("codes", Text, nullable=False),  # the issue codes, each between blanks, for search
    Column("possible_duplicate_of", BigInteger),
    Column("conflicts_with", BigInteger),
    Column("judged", Double),
    Column("answers", LargeBinary, nullable=False),  # MessagePack list of bytes
    Column("issues", LargeBinary, nullable=False),  # JSON
    Column("contents", LargeBinary, nullable=False),  # JSON: where the documents' bytes are (store/carving.py)
    Column("exchange", LargeBinary),  # JSON without document bytes
    Column("raw", LargeBinary),  # last: large rows are read without it; NULL when the bytes are in a file
    sqlite_autoincrement=True,
)
Index("message_identity", message.c.identity, message.c.id)
Index("message_received", message.c.received)
Index(
    "message_patient",
    message.c.patient,
    message.c.id,
    sqlite_where=text("patient <> ''"),
    postgresql_where=text("patient <> ''"),
)
# SQLite has no booleans: the queries say `active = 1`, and a partial index is used only where it says the same.
_open_verdict = text("state IN ('received', 'parked')")
Index("message_unjudged", message.c.state, message.c.id, sqlite_where=_open_verdict, postgresql_where=_open_verdict)

document = Table(
    "document",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("message_id", BigInteger, primary_key=True),
    Column(
        "role", Text, nullable=False, server_default=text("'submit'")
    ),  # submit, replace, delete; replaced: the message's document follows it
    Column(
        "detail", Text, nullable=False, server_default=text("''")
    ),  # who answers for it, one number a line; of `replaced`: its successor
)
Index("document_message", document.c.message_id)

content = Table(
    "content",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("created", Double, nullable=False),
    Column("body", LargeBinary),  # NULL when it is a file
)
content_use = Table(
    "content_use",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("owner", Text, primary_key=True),  # m<message id>, d<delivery id> or b<Binary id>
)
Index("content_use_owner", content_use.c.owner)

lane = Table(
    "lane",
    metadata,
    Column("id", Id, primary_key=True),
    Column("destination", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("bucket", Integer, nullable=False),  # the number of its advisory lock on PostgreSQL
    Column("active", Boolean, nullable=False),
    Column("due", Double, nullable=False),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("destination", "key", name="lane_of"),
    sqlite_autoincrement=True,
)
Index("lane_key", lane.c.key)
Index(
    "lane_ready",
    lane.c.destination,
    lane.c.due,
    lane.c.id,
    sqlite_where=text("active = 1"),
    postgresql_where=text("active"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", BigInteger, nullable=False),
    Column("lane_id", BigInteger, nullable=False),
    Column("destination", Text, nullable=False),
    Column("part", Text, nullable=False, server_default=text("''")),  # which of the messages that say the exchange
    Column("state", Text, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("resent", Boolean, nullable=False),  # perhaps sent before
    Column("attempts", Integer, nullable=False),
    Column("queued", Double, nullable=False),
    Column("sent_at", Double),
    Column("settled", Double),
    Column("reference", Text, nullable=False),
    Column("issues", LargeBinary, nullable=False),  # JSON, the latest last
    Column("sent_digest", Text),  # of what was sent: the message itself, or a content
    Column("sent", LargeBinary),
    Column("reply", LargeBinary),
    sqlite_autoincrement=True,
)
Index("delivery_open", delivery.c.lane_id, delivery.c.id, sqlite_where=text("open = 1"), postgresql_where=text("open"))
Index("delivery_message", delivery.c.message_id)
Index(
    "delivery_attention",
    delivery.c.destination,
    delivery.c.id,
    sqlite_where=text(ATTENTION),
    postgresql_where=text(ATTENTION),
)

terminology_task = Table(
    "terminology_task",
    metadata,
    Column("id", Id, primary_key=True),
    Column("terminology", Text, nullable=False),
    Column("way", Text, nullable=False),  # read, write
    Column("side", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("ignored", Boolean, nullable=False),
    UniqueConstraint("terminology", "way", "side", "system", "code", name="terminology_task_of"),
    sqlite_autoincrement=True,
)

# Names are searched by their beginning: they are compared by code point, whatever the database's locale.
Name = Text(collation="C").with_variant(Text(), "sqlite")

patient = Table(
    "patient",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", BigInteger, nullable=False),  # which message last said something new
    Column("updated", Double, nullable=False),
    Column("source", Text, nullable=False),  # MSH-3|MSH-4 of who says the traits
    Column("identity", Boolean, nullable=False),  # an ADT has said who this is
    Column("fingerprint", LargeBinary, nullable=False),  # of the sighting that wrote it
    Column("family", Name, nullable=False),
    Column("given", Name, nullable=False),
    Column("birth_date", Text, nullable=False),
    Column("sex", Text, nullable=False),
    Column("merged_into", BigInteger),
    Column("merged_by", BigInteger),  # the message that says so
    Column("merged_at", Double),
    Column("body", LargeBinary, nullable=False),  # JSON of the patient: what identifies, and the DMP
    sqlite_autoincrement=True,
)
patient_name = Table(
    "patient_name",
    metadata,
    Column("patient_id", BigInteger, nullable=False),
    Column("family", Name, nullable=False),
    Column("given", Name, nullable=False),
)
Index("patient_name_of", patient_name.c.patient_id)
Index("patient_name_family", patient_name.c.family, patient_name.c.given)
patient_identifier = Table(
    "patient_identifier",
    metadata,
    Column("value", Text, primary_key=True),
    Column("domain", Text, primary_key=True),  # the issuer's OID, or `authority:` and its name
    Column("patient_id", BigInteger, primary_key=True),
    Column("ended_by", BigInteger),  # the message that replaced it
)
Index("patient_identifier_of", patient_identifier.c.patient_id)

Ordered = Text(collation="C").with_variant(Text(), "sqlite")  # by character, whatever the database's locale: for ranges

exchange = Table(
    "exchange",
    metadata,
    Column("id", Ordered, primary_key=True),  # the exchange's own
    Column("message_id", BigInteger, nullable=False),  # that holds the version in force
    Column("mode", Text, nullable=False),
    Column("state", Text, nullable=False),  # of a téléexpertise; open or closed for a conversation and a channel
    Column("updated", Double, nullable=False),
)
Index("exchange_updated", exchange.c.updated, exchange.c.id)
Index("exchange_mode", exchange.c.mode, exchange.c.updated, exchange.c.id)
Index("exchange_message", exchange.c.message_id)
exchange_patient = Table(
    "exchange_patient",
    metadata,
    Column("value", Text, primary_key=True),
    Column("system", Text, primary_key=True),
    Column("exchange_id", Ordered, primary_key=True),
)
Index("exchange_patient_of", exchange_patient.c.exchange_id)

fhir_resource = Table(
    "fhir_resource",
    metadata,
    Column("type", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),  # in the order of creation, within the type
    Column("version", Integer, nullable=False),  # earlier ones are in fhir_version
    Column("updated", Double, nullable=False),
    Column("media_type", Text),  # of a Binary
    Column("digest", Text),  # of a Binary's data, in content
    Column("body", LargeBinary, nullable=False),  # JSON; a Binary's data is apart
)
Index("fhir_resource_newest", fhir_resource.c.type, fhir_resource.c.sequence, unique=True)
Index("fhir_resource_updated", fhir_resource.c.type, fhir_resource.c.updated)

fhir_version = Table(
    "fhir_version",
    metadata,
    Column("type", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("updated", Double, nullable=False),
    Column("media_type", Text),
    Column("digest", Text),
    Column("body", LargeBinary, nullable=False),
)

fhir_index = Table(
    "fhir_index",
    metadata,
    Column("type", Text, nullable=False),
    Column("parameter", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("value", Ordered, nullable=False),
    Column("low", Double),  # dates: the first and last instant that the value covers
    Column("high", Double),
    Column("sequence", BigInteger, nullable=False),  # of the resource
)
Index("fhir_index_value", fhir_index.c.type, fhir_index.c.parameter, fhir_index.c.value, fhir_index.c.sequence)
Index(
    "fhir_index_low",
    fhir_index.c.type,
    fhir_index.c.parameter,
    fhir_index.c.low,
    sqlite_where=text("low IS NOT NULL"),
    postgresql_where=text("low IS NOT NULL"),
)
Index("fhir_index_of", fhir_index.c.type, fhir_index.c.sequence, fhir_index.c.parameter, fhir_index.c.value)
