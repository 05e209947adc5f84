"""Several models: each job is one model's.

What was read before was read by the one model of its time, which the shipped settings call wrist.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0070"
down_revision: str | None = "0060"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "job",
        sa.Column(
            "model_name", sa.String(length=32), nullable=False, server_default=sa.text("'wrist'")
        ),
    )


def downgrade() -> None:
    """Drop in place: a batch would drop the table, and with it what refers to it."""
    op.execute("ALTER TABLE job DROP COLUMN model_name")
