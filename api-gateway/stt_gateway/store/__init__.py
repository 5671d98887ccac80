"""The transcript store: transcripts and utterances in a searchable database, SQLite or PostgreSQL, one interface."""
