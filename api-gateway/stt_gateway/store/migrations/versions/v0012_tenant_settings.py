"""Settings of tenants: how long theirs is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; no tenant had settings of its own before."""
    op.create_table(
        "tenant_settings",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("retention_days", sa.Float),
        sa.Column("is_applied", sa.Boolean, nullable=False),
    )
