"""which model, build and calibration made a reading."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.add_column(sa.Column("model", sa.String(length=128), nullable=True))
        batch_op.add_column(sa.Column("package_digest", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("calibration", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("settings_digest", sa.String(length=64), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("job", schema=None) as batch_op:
        for name in ("settings_digest", "calibration", "package_digest", "model"):
            batch_op.drop_column(name)
