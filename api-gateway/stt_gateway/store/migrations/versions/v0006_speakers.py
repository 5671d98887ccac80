"""Names of speakers, who speaks after corrections, and the number of changes to a transcript."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; nobody has changed anything in existing transcripts."""
    op.add_column("transcripts", sa.Column("revision", sa.Integer, nullable=False, server_default="0"))
    op.add_column("transcripts", sa.Column("speaker_names", sa.Text, nullable=False, server_default="[]"))
    op.add_column("transcripts", sa.Column("speaker_edits", sa.Text, nullable=False, server_default="{}"))
