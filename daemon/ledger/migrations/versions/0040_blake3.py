"""The digest of an instance is BLAKE3, and no longer called after another algorithm.

Rows of before keep the digest that they have: when such an image is sent again, it counts as other
content.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0040"
down_revision: str | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _rename("sha256", "digest")


def downgrade() -> None:
    _rename("digest", "sha256")


def _rename(before: str, after: str) -> None:
    """Rename in place: a batch would drop the table, and with it what refers to it."""
    op.execute(f"ALTER TABLE instance RENAME COLUMN {before} TO {after}")
