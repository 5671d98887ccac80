"""Texts as people have corrected them, and the versions before each change."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the column and the table; nobody has changed a text before."""
    op.add_column("transcripts", sa.Column("text_edits", sa.Text, nullable=False, server_default="[]"))
    place = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "transcript_versions",
        sa.Column("place", place, sa.ForeignKey("transcripts.place", ondelete="CASCADE"), primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ended_ms", sa.BigInteger, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("speaker_edits", sa.Text, nullable=False),
        sa.Column("text_edits", sa.Text, nullable=False),
    )
