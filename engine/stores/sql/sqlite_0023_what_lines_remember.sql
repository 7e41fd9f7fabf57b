-- Why a line was put aside: `why` says another thing once its digest has failed, and has it back with the digest.
ALTER TABLE delivery ADD COLUMN aside TEXT;

-- The recipient has acknowledged the alert while the line was on its way: it is acknowledged as soon as it is there.
ALTER TABLE delivery ADD COLUMN is_answered INTEGER NOT NULL DEFAULT 0;
