"""Batch operations: on SQLite the table is rebuilt, on PostgreSQL altered."""
import sqlalchemy as sa
from alembic import op

revision = "second"
down_revision = "first"


def upgrade():
    with op.batch_alter_table("person") as person:
        person.add_column(sa.Column("nick", sa.String(20)))
        person.create_index("ix_person_nick", ["nick"])
    with op.batch_alter_table("sample") as sample:
        sample.alter_column("text", existing_type=sa.String(200), type_=sa.Text())
        sample.drop_constraint(op.f("ck_sample_kind"), type_="check")
        sample.create_check_constraint(op.f("ck_sample_kind"), "kind IN ('new', 'old', 'odd')")
    op.create_table("later", sa.Column("id", sa.Integer, primary_key=True), sa.Column("at", sa.DateTime),
                    sa.Column("done", sa.Boolean))
