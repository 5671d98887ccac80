"""Channel of what was said in live sessions whose channels are kept apart."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; the channels of earlier sessions were mixed."""
    op.add_column("utterances", sa.Column("channel", sa.Integer))
    # The channel becomes part of the key, which not every database can change in a table.
    op.drop_index("unrecognized_expiry", "unrecognized")
    op.rename_table("unrecognized", "unrecognized_mixed")
    op.create_table(
        "unrecognized",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Integer, primary_key=True, autoincrement=False, server_default="-1"),
        sa.Column("start_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger),
    )
    op.execute(
        "INSERT INTO unrecognized (session_id, start_ms, end_ms, expires_ms) "
        "SELECT session_id, start_ms, end_ms, expires_ms FROM unrecognized_mixed"
    )
    op.drop_table("unrecognized_mixed")
    op.create_index("unrecognized_expiry", "unrecognized", ["expires_ms"])
