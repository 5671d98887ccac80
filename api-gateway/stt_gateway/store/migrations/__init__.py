"""Alembic environment and the migrations from one version of the tables to the next."""
