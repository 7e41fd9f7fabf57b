"""The meaning and the doors: `core/` decides (pure), the other folders talk to the outside, `app.py` wires it all."""
