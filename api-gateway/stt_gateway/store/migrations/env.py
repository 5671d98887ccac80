"""Alembic entry point: runs the migrations in the transaction that the caller began, so all of them apply or none."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
