-- From where a person acted, and what was different before and after (JSON: of an alert, state and assigned_to).
ALTER TABLE audit ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN before TEXT NOT NULL DEFAULT '{}';
ALTER TABLE audit ADD COLUMN after TEXT NOT NULL DEFAULT '{}';

-- The trail is read newest first: all of it, of one alert, of one person, of one verb.
DROP INDEX audit_by_alert;
CREATE INDEX audit_by_alert ON audit (workspace, alert_id, at);
CREATE INDEX audit_by_time ON audit (workspace, at);
CREATE INDEX audit_by_person ON audit (workspace, by, at);
CREATE INDEX audit_by_verb ON audit (workspace, verb, at);
CREATE INDEX administrative_act_by_time ON administrative_act (workspace, at);
CREATE INDEX administrative_act_by_person ON administrative_act (workspace, by, at);
CREATE INDEX administrative_act_by_verb ON administrative_act (workspace, verb, at);
CREATE INDEX administrative_act_by_target ON administrative_act (workspace, target, at);

-- Which channels have alerts that somebody took on: with a time-out they owe an event without being asked.
CREATE INDEX alert_taken ON alert (channel) WHERE state = 2;
