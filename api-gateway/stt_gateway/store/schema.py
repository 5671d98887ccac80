"""The tables, the same in both databases. Their search indexes are maintained by each database's own module.

``place`` orders transcripts: creation time in its upper bits, a hash of the id in the lower ones. It never changes, so
one integer serves for sorting, paging and joins, and full-text matches come newest first without sorting.
"""

import zlib

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from stt_shared.contracts.makers import LOCAL_TENANT

PLACE_BITS = 20
# In SQLite a primary key declared exactly INTEGER is the rowid and needs no separate index.
PLACE = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

transcripts = Table(
    "transcripts",
    metadata,
    Column("place", PLACE, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("language", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("conversation_id", Text, nullable=False),
    Column("expires_ms", BigInteger),
    Column("content_key", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("speaker_names", Text, nullable=False),
    # Last, so that reading a list need not skip over them.
    Column("text", Text, nullable=False),
    Column("segments", Text, nullable=False),
    Column("unrecognized", Text, nullable=False),
    Column("track", Text, nullable=False),
    Column("warnings", Text, nullable=False),
    Column("speaker_edits", Text, nullable=False),
    Column("text_edits", Text, nullable=False, server_default="[]"),
    Column("tenant", Text, nullable=False, server_default=LOCAL_TENANT),
    Column("key_id", Text, nullable=False, server_default=""),
    Index("transcripts_tenant", "tenant", "key_id", "place"),
    Index("transcripts_language", "tenant", "language", "place"),
    Index("transcripts_content", "content_key"),
    Index("transcripts_expiry", "expires_ms"),
)

names = Table(
    "transcript_names",
    metadata,
    Column("place", ForeignKey("transcripts.place", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("folded", Text, nullable=False),
)
"""Folded title, file name and names of speakers, one per line."""

versions = Table(
    "transcript_versions",
    metadata,
    Column("place", ForeignKey("transcripts.place", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("ended_ms", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("speaker_edits", Text, nullable=False),
    Column("text_edits", Text, nullable=False),
)
"""What people had made of a transcript before each of their changes."""

texts = Table(
    "transcript_texts",
    metadata,
    Column("place", ForeignKey("transcripts.place", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("folded", Text, nullable=False),
)
"""The text as folded tokens, separated by spaces; in PostgreSQL with a space at both ends too."""

conversations = Table(
    "conversations",
    metadata,
    Column("tenant", Text, primary_key=True, server_default=LOCAL_TENANT),
    Column("id", Text, primary_key=True),
    Column("last_number", BigInteger, nullable=False),
    Column("touched_ms", BigInteger, nullable=False),
)

utterances = Table(
    "utterances",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("utterance", Integer, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False, server_default=LOCAL_TENANT),
    Column("conversation_id", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("speaker", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("confidence", Float, nullable=False),
    Column("channel", Integer),
    # Last, so that reading a page of a conversation need not skip over them.
    Column("words", Text, nullable=False),
    UniqueConstraint("tenant", "conversation_id", "number"),
    ForeignKeyConstraint(["tenant", "conversation_id"], ["conversations.tenant", "conversations.id"]),
    Index("utterances_expiry", "expires_ms"),
)

MIXED = -1
"""``channel`` of speech in a session whose channels are mixed; a key cannot be null."""

unrecognized = Table(
    "unrecognized",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("channel", Integer, primary_key=True, autoincrement=False, server_default=str(MIXED)),
    Column("start_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("tenant", Text, nullable=False, server_default=LOCAL_TENANT),
    Index("unrecognized_expiry", "expires_ms"),
)
"""Speech of live sessions without a text; of a file it is a column of its transcript."""

utterance_speakers = Table(
    "utterance_speakers",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    Column("utterance", Integer, primary_key=True, autoincrement=False),
    Column("as_of", Integer, nullable=False),
    Column("speaker", Text, nullable=False),
    Column("turns", Text, nullable=False),
    Column("expires_ms", BigInteger),
    Index("utterance_speakers_expiry", "expires_ms"),
)
"""Speakers of the utterances of live sessions, as they were told last."""

deleted = Table(
    "deleted",
    metadata,
    Column("tenant", Text, primary_key=True, server_default=LOCAL_TENANT),
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("deleted_ms", BigInteger, nullable=False),
)
"""Ids of recently deleted transcripts and conversations, since a write may still arrive, or arrive again; and tenants
that were deleted or are being deleted (tenant_deletions.py)."""


api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("quotas", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("secret_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    Column("last_used_ms", BigInteger),
    Column("previous_digest", Text, nullable=False),
    Column("previous_until_ms", BigInteger, nullable=False),
    Index("api_keys_tenant", "tenant"),
)
"""Keys, without their secrets. ``scopes`` is a list with commas, ``quotas`` a JSON object."""

key_usage = Table(
    "key_usage",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("epoch", Text, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("streams", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("upload_bytes", BigInteger, nullable=False),
    Column("audio_ms", BigInteger, nullable=False),
    Column("speech_ms", BigInteger, nullable=False),
)
"""What was done with a key on a day. ``epoch``: of the counters in Redis, so that those after a loss are added."""

tenant_settings = Table(
    "tenant_settings",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("retention_days", Float),
    Column("is_applied", Boolean, nullable=False),
)
"""What a tenant has set for itself. ``is_applied``: what is stored expires by this retention already."""

signing_secrets = Table(
    "signing_secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("secret", Text, nullable=False),
)
"""Secrets that all gateways share, in hexadecimal."""


voices = Table(
    "voices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("voice", LargeBinary, nullable=False),
    UniqueConstraint("tenant", "name"),
)
"""Known speakers. ``voice``: as in ``KnownVoice``."""


def place_of(created_ms: int, id: str, attempt: int = 0) -> int:
    """Return a transcript's place; each attempt gives another place in the same millisecond."""
    return first_place(created_ms) + (zlib.crc32(id.encode()) + attempt) % (1 << PLACE_BITS)


def first_place(created_ms: int) -> int:
    """Return the lowest place of a millisecond."""
    return created_ms << PLACE_BITS
