"""Notes: what is so now has rows of its own; before, it stood among the counters as a name.

What stood there is removed. Flags ("reads on: ...", "degraded: ...") are set anew by the start that
follows. Alerts that follow from the state of the ledger are not counted any more; that the ledger was
new at a start is kept as a note, as old as the oldest study.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0090"
down_revision: str | None = "0080"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

WAS_NEW = "alert_ledger_was_new"
FOLLOW_FROM_STATES = (
    "alert_model_offline",
    "alert_model_out_of_service",
    "alert_result_parked",
    "alert_state_folder_copied",
    "alert_study_held",
    "alert_study_quarantined",
)
COUNTER = sa.table("counter", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
NOTE = sa.table(
    "note", *(sa.column(name) for name in ("signal", "subject", "worker", "since", "words"))
)
STUDY = sa.table("study", sa.column("created_at", sa.BigInteger))


def upgrade() -> None:
    op.create_table(
        "note",
        sa.Column("signal", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("words", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("signal", "subject", "worker", name=op.f("pk_note")),
    )
    was_new = sa.and_(COUNTER.c.name == WAS_NEW, COUNTER.c.value > 0)
    oldest = sa.select(sa.func.min(STUDY.c.created_at)).scalar_subquery()
    empty = sa.literal("")
    note = sa.select(COUNTER.c.name, empty, empty, oldest, empty).where(
        was_new, oldest.is_not(None)
    )
    op.execute(NOTE.insert().from_select(list(NOTE.c), note))
    is_flag = COUNTER.c.name.startswith("reads on: ") | COUNTER.c.name.startswith("degraded: ")
    op.execute(COUNTER.delete().where(is_flag | COUNTER.c.name.in_([WAS_NEW, *FOLLOW_FROM_STATES])))


def downgrade() -> None:
    """The older version counts what happens from then on."""
    is_new = sa.select(NOTE.c.signal, sa.literal(1)).where(NOTE.c.signal == WAS_NEW)
    op.execute(COUNTER.insert().from_select(list(COUNTER.c), is_new))
    op.drop_table("note")
