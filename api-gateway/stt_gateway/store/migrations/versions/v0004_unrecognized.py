"""Speech of live sessions without a text."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; of earlier sessions nothing is known."""
    op.create_table(
        "unrecognized",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("start_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger),
    )
    op.create_index("unrecognized_expiry", "unrecognized", ["expires_ms"])
