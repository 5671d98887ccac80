"""What a transcript does not cover, and the audio track that it is of."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; existing transcripts have none of it."""
    op.add_column("transcripts", sa.Column("unrecognized", sa.Text, nullable=False, server_default="[]"))
    op.add_column("transcripts", sa.Column("track", sa.Text, nullable=False, server_default="null"))
    op.add_column("transcripts", sa.Column("warnings", sa.Text, nullable=False, server_default="[]"))
