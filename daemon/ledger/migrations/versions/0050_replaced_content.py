"""The newest content under a SOP Instance UID is the input; headers; released studies.

What came as other content before stays out, as it did: the first content is still the input, with
revision 0, until the next content comes.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0050"
down_revision: str | None = "0040"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ADDED = (
    ("instance", "revision"),
    ("instance", "header"),
    ("job", "header"),
    ("job", "is_released"),
)


def upgrade() -> None:
    op.execute("ALTER TABLE instance RENAME COLUMN conflicting TO replaced")
    op.add_column(
        "instance", sa.Column("revision", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("instance", sa.Column("header", sa.Text(), nullable=True))
    op.add_column("job", sa.Column("header", sa.Text(), nullable=True))
    op.add_column(
        "job", sa.Column("is_released", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.execute(
        "UPDATE instance SET revision = (SELECT count(*) FROM instance AS earlier"
        " WHERE earlier.sop_instance_uid = instance.sop_instance_uid AND earlier.id < instance.id)"
        " WHERE replaced"
    )


def downgrade() -> None:
    """Drop in place: a batch would drop the tables, and with them what refers to them."""
    for table, column in reversed(ADDED):
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    op.execute("ALTER TABLE instance RENAME COLUMN replaced TO conflicting")
