"""Versioned objects (rules, people, frameworks, silences, workflows ...): one shelf of verbs for all kinds."""
