"""Alembic's entry: runs on the connection that demo.study.store hands over."""

from alembic import context

from demo.study.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
