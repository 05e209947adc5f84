"""Where each file lies: several hosts on one ledger, each with a state folder of its own.

A ledger in the state folder knows no places: its rows keep none. In one that hosts share, rows of
before lie nowhere until a host that has their files starts and says so (`daemon.ledger.hosts.places`).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0060"
down_revision: str | None = "0050"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PLACED = ("instance", "job", "result", "promise")


def upgrade() -> None:
    op.create_table(
        "place",
        sa.Column("id", KEY, nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_place")),
        sa.UniqueConstraint("uid", name=op.f("uq_place_uid")),
    )
    op.create_table(
        "instance_copy",
        sa.Column("instance_id", KEY, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instance.id"],
            name=op.f("fk_instance_copy_instance_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("instance_id", "place", name=op.f("pk_instance_copy")),
    )
    for table in PLACED:
        op.add_column(table, sa.Column("place", sa.Integer(), nullable=True))
    op.add_column(
        "job_input",
        sa.Column("is_elsewhere", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    _index_claims(["state", "place", "priority", "id"])


def downgrade() -> None:
    """Drop in place: a batch would drop the tables, and with them what refers to them."""
    _index_claims(["state", "priority", "id"])
    op.execute("ALTER TABLE job_input DROP COLUMN is_elsewhere")
    for table in reversed(PLACED):
        op.execute(f"ALTER TABLE {table} DROP COLUMN place")
    op.drop_table("instance_copy")
    op.drop_table("place")


def _index_claims(columns: list[str]) -> None:
    op.drop_index("ix_job_claim", table_name="job")
    op.create_index("ix_job_claim", "job", columns)
