"""storage commitment both ways, retention, pull."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("study", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_study_last_arrival_at"), ["last_arrival_at"])
    with op.batch_alter_table("instance", schema=None) as batch_op:
        batch_op.add_column(sa.Column("committed_at", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("result", schema=None) as batch_op:
        batch_op.add_column(sa.Column("purged_at", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.add_column(sa.Column("commitment", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("transaction_uid", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("ask_again_at", sa.BigInteger(), nullable=True))
        batch_op.create_index(batch_op.f("ix_delivery_transaction_uid"), ["transaction_uid"])
        batch_op.create_index(
            "ix_delivery_commitment", ["destination", "commitment", "ask_again_at"]
        )
    op.create_table(
        "promise",
        sa.Column("id", KEY, nullable=False),
        sa.Column("calling_ae", sa.String(length=16), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promise")),
        sa.UniqueConstraint(
            "calling_ae", "transaction_uid", name=op.f("uq_promise_calling_ae_transaction_uid")
        ),
    )
    with op.batch_alter_table("promise", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_promise_not_before"), ["not_before"])
    op.create_table(
        "promise_item",
        sa.Column("promise_id", KEY, nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["promise_id"],
            ["promise.id"],
            name=op.f("fk_promise_item_promise_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("promise_id", "sop_instance_uid", name=op.f("pk_promise_item")),
    )
    op.create_table(
        "pull",
        sa.Column("id", KEY, nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pull")),
        sa.UniqueConstraint("source", "study_uid", name=op.f("uq_pull_source_study_uid")),
    )
    with op.batch_alter_table("pull", schema=None) as batch_op:
        batch_op.create_index("ix_pull_due", ["source", "state", "not_before"])


def downgrade() -> None:
    op.drop_table("pull")
    op.drop_table("promise_item")
    op.drop_table("promise")
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.drop_index("ix_delivery_commitment")
        batch_op.drop_index(batch_op.f("ix_delivery_transaction_uid"))
        batch_op.drop_column("ask_again_at")
        batch_op.drop_column("transaction_uid")
        batch_op.drop_column("commitment")
    with op.batch_alter_table("result", schema=None) as batch_op:
        batch_op.drop_column("purged_at")
    with op.batch_alter_table("instance", schema=None) as batch_op:
        batch_op.drop_column("committed_at")
    with op.batch_alter_table("study", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_study_last_arrival_at"))
