"""What the engine writes or tidies up beside the way of an alert: receipts, presence, roll-ups, retention."""
