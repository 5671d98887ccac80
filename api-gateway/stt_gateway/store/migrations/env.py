"""What Alembic runs: the steps, in the transaction that the caller began, which is done whole or not at all."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
