"""Tenants of transcripts and conversations, and the keys that made transcripts."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TENANT = "local"
"""Tenant of whatever was stored before."""


def upgrade() -> None:
    """Give all that exists to the tenant of a suite without keys."""
    op.add_column("transcripts", _tenant())
    op.add_column("transcripts", sa.Column("key_id", sa.Text, nullable=False, server_default=""))
    op.create_index("transcripts_tenant", "transcripts", ["tenant", "key_id", "place"])
    op.drop_index("transcripts_language", "transcripts")
    op.create_index("transcripts_language", "transcripts", ["tenant", "language", "place"])
    op.add_column("unrecognized", _tenant())
    _rebuild_conversations()
    _rebuild_deleted()


def _tenant(*, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column("tenant", sa.Text, primary_key=primary_key, nullable=False, server_default=TENANT)


def _rebuild_conversations() -> None:
    """Let conversations of two tenants have the same id."""
    op.create_table(
        "conversations_of_tenants",
        _tenant(primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("last_number", sa.BigInteger, nullable=False),
        sa.Column("touched_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "utterances_of_tenants",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("utterance", sa.Integer, primary_key=True, autoincrement=False),
        _tenant(),
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("speaker", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger),
        sa.Column("confidence", sa.Float, nullable=False, server_default="0"),
        sa.Column("channel", sa.Integer),
        sa.Column("words", sa.Text, nullable=False, server_default="[]"),
        sa.UniqueConstraint("tenant", "conversation_id", "number"),
        sa.ForeignKeyConstraint(
            ["tenant", "conversation_id"], ["conversations_of_tenants.tenant", "conversations_of_tenants.id"]
        ),
    )
    _fill("conversations", "id, last_number, touched_ms")
    _fill(
        "utterances",
        "session_id, utterance, conversation_id, number, speaker, text, language, started_ms, ended_ms, start_ms,"
        " end_ms, expires_ms, confidence, words, channel",
    )
    for name in ("utterances", "conversations"):
        op.drop_table(name)
    for name in ("conversations", "utterances"):
        op.rename_table(f"{name}_of_tenants", name)
    op.create_index("utterances_expiry", "utterances", ["expires_ms"])


def _rebuild_deleted() -> None:
    op.create_table(
        "deleted_of_tenants",
        _tenant(primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("deleted_ms", sa.BigInteger, nullable=False),
    )
    _fill("deleted", "kind, id, deleted_ms")
    op.drop_table("deleted")
    op.rename_table("deleted_of_tenants", "deleted")


def _fill(name: str, columns: str) -> None:
    op.execute(f"INSERT INTO {name}_of_tenants ({columns}) SELECT {columns} FROM {name}")  # noqa: S608
