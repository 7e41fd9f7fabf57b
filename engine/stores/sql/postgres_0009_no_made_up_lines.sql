-- A line of the trail is left by a change of one of our tables, and by nothing else: whoever may say EXECUTE could hang
-- these functions, which write with their owner's rights, on a temporary table of his own and make lines up. Triggers that
-- are there ask no more for that right.
REVOKE EXECUTE ON FUNCTION tocsin_note_row(), tocsin_note_alerts() FROM PUBLIC;
