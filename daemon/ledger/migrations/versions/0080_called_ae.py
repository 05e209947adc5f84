"""The AE title that an image was sent to; of images from before it is not known."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0080"
down_revision: str | None = "0070"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    title = sa.Column(
        "called_ae", sa.String(length=16), nullable=False, server_default=sa.text("''")
    )
    op.add_column("instance", title)


def downgrade() -> None:
    """Drop in place: a batch would drop the table, and with it what refers to it."""
    op.execute("ALTER TABLE instance DROP COLUMN called_ae")
