"""What decides: pure functions and one machine per channel. No await, no clock, no randomness, no I/O in this folder.

`channel.py` is the machine that an actor is handed, and says which file decides what. `rules/` says whether something
is worth ringing for, `suppression.py` whether to say it again, `lifecycle.py` what may become of an alert,
`identity.py` what is "the same".
"""
