"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(32)


def upgrade() -> None:
    op.create_table(
        "secret",
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("value", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secret"),
    )
    op.create_table(
        "study_version",
        sa.Column("version", ID, nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("methods", sa.JSON(), nullable=False),
        sa.Column("withdrawn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_study_version"),
    )
    op.create_index("ix_study_version_name", "study_version", ["name"])
    op.create_table(
        "participant",
        sa.Column("id", ID, nullable=False),
        sa.Column("version", ID, nullable=False),
        sa.Column("study", sa.String(40), nullable=False),
        sa.Column("pid_hash", ID, nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("consent_version", sa.String(20), nullable=False),
        sa.Column("consented_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_participant"),
        sa.ForeignKeyConstraint(["version"], ["study_version.version"], name="fk_participant_version"),
        sa.UniqueConstraint("study", "pid_hash", name="uq_participant_study"),
    )
    op.create_index("ix_participant_version", "participant", ["version"])
    op.create_table(
        "trial",
        sa.Column("id", ID, nullable=False),
        sa.Column("participant_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("stimulus", sa.String(80), nullable=False),
        sa.Column("left", sa.String(80), nullable=False),
        sa.Column("right", sa.String(80), nullable=False),
        sa.Column("broken", sa.String(5), nullable=True),
        sa.Column("served_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_trial"),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name="fk_trial_participant_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_trial_participant_id", "trial", ["participant_id"])
    op.create_table(
        "answer",
        sa.Column("id", ID, nullable=False),
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("question", sa.String(40), nullable=False),
        sa.Column("side", sa.String(5), nullable=False),
        sa.Column("value", sa.String(16), nullable=False),
        sa.Column("response_ms", sa.Integer(), nullable=False),
        sa.Column("viewed_ms", sa.Integer(), nullable=False),
        sa.Column("answered_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_answer"),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name="fk_answer_trial_id", ondelete="CASCADE"),
        sa.UniqueConstraint("trial_id", "question", "side", name="uq_answer_trial_id"),
    )
    op.create_index("ix_answer_trial_id", "answer", ["trial_id"])


def downgrade() -> None:
    for table in ("answer", "trial", "participant", "study_version", "secret"):
        op.drop_table(table)
