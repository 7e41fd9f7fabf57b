-- What an administrator's act changed: JSON of what is different before and after (of objects and trackers the version),
-- and what was said about it. NULL: from before this migration, or nothing to say.
ALTER TABLE administrative_act ADD COLUMN notes TEXT;
ALTER TABLE administrative_act ADD COLUMN before TEXT;
ALTER TABLE administrative_act ADD COLUMN after TEXT;
