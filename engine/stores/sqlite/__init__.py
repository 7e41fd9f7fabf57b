"""The embedded store: SQLite in one file, no server to install: the file, its one writer, its readers."""
