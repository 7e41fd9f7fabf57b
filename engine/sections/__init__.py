"""The tables of the configuration file: every setting with its default, its unit in the name, and its reason."""
