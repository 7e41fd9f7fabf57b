"""The weekly report, as far as it can be decided without asking anybody: when it is due (`due`), what is in it
(`weekly`, a `document`), and how that is written (`as_html`, `as_text`)."""
