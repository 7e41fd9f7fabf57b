"""Tables and what is asked of them: SQL in the dialect that SQLite and Postgres share, in functions of a connection."""
