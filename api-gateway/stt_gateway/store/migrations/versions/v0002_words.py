"""Confidence of utterances and, for sessions that are stored, their words."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; existing utterances have no words."""
    op.add_column("utterances", sa.Column("confidence", sa.Float, nullable=False, server_default="0"))
    op.add_column("utterances", sa.Column("words", sa.Text, nullable=False, server_default="[]"))
