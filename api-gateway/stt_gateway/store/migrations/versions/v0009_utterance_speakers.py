"""Speakers of the utterances of live sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; in earlier sessions nobody was told apart."""
    op.create_table(
        "utterance_speakers",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("utterance", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("as_of", sa.Integer, nullable=False),
        sa.Column("speaker", sa.Text, nullable=False),
        sa.Column("turns", sa.Text, nullable=False),
        sa.Column("expires_ms", sa.BigInteger),
    )
    op.create_index("utterance_speakers_expiry", "utterance_speakers", ["expires_ms"])
