"""Transcripts, conversations and their search indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables of the first version."""
    op.create_table(
        "transcripts",
        sa.Column("place", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("expires_ms", sa.BigInteger),
        sa.Column("content_key", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("segments", sa.Text, nullable=False),
    )
    op.create_index("transcripts_language", "transcripts", ["language", "place"])
    op.create_index("transcripts_content", "transcripts", ["content_key"])
    op.create_index("transcripts_expiry", "transcripts", ["expires_ms"])
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("last_number", sa.BigInteger, nullable=False),
        sa.Column("touched_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "utterances",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("utterance", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("conversation_id", sa.Text, sa.ForeignKey("conversations.id"), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("speaker", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger),
        sa.UniqueConstraint("conversation_id", "number"),
    )
    op.create_index("utterances_expiry", "utterances", ["expires_ms"])
    op.create_table(
        "deleted",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("deleted_ms", sa.BigInteger, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_search()
    else:
        _postgresql_search()


def _folded_table(name: str, *more: sa.Column[object]) -> None:
    op.create_table(
        name,
        sa.Column(
            "place",
            sa.BigInteger,
            sa.ForeignKey("transcripts.place", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("folded", sa.Text, nullable=False),
        *more,
    )


def _sqlite_search() -> None:
    # Only a primary key declared exactly INTEGER is the rowid, which FTS5 needs; BIGINT would not be.
    for name, tokenizer in (("transcript_names", "trigram"), ("transcript_texts", "ascii")):
        op.execute(
            f"CREATE TABLE {name} (place INTEGER PRIMARY KEY REFERENCES transcripts (place) ON DELETE CASCADE,"
            " folded TEXT NOT NULL)"
        )
        # Tokenizer ascii: folded text is split at spaces only, whatever Unicode version SQLite knows.
        op.execute(
            f"CREATE VIRTUAL TABLE {name}_index USING fts5"
            f"(folded, content='{name}', content_rowid='place', tokenize='{tokenizer}')"
        )
        forget = f"INSERT INTO {name}_index ({name}_index, rowid, folded) VALUES ('delete', old.place, old.folded);"  # noqa: S608
        learn = f"INSERT INTO {name}_index (rowid, folded) VALUES (new.place, new.folded);"  # noqa: S608
        op.execute(f"CREATE TRIGGER {name}_insert AFTER INSERT ON {name} BEGIN {learn} END")
        op.execute(f"CREATE TRIGGER {name}_delete AFTER DELETE ON {name} BEGIN {forget} END")
        op.execute(f"CREATE TRIGGER {name}_update AFTER UPDATE ON {name} BEGIN {forget} {learn} END")


def _postgresql_search() -> None:
    from sqlalchemy.dialects.postgresql import ARRAY

    for name in ("transcript_names", "transcript_texts"):
        _folded_table(name, sa.Column("grams", ARRAY(sa.Integer), nullable=False))
        # No fast update: each search would have to scan the list of pending entries.
        op.create_index(f"{name}_grams", name, ["grams"], postgresql_using="gin", postgresql_with={"fastupdate": "off"})
