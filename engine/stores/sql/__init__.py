"""Migrations as numbered SQL files, `<store>_<number>_<name>.sql`: applied once, in order, one transaction each."""
