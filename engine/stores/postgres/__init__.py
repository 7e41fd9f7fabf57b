"""The shared store: Postgres, where more than one machine keeps what it decides."""
