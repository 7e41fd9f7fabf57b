BEGIN TRANSACTION;
CREATE TABLE administrative_act (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    verb TEXT NOT NULL,
    target TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;
INSERT INTO "administrative_act" VALUES(1,'main',1795339446735985,'ann','revoke_user','eve','127.0.0.1');
INSERT INTO "administrative_act" VALUES(2,'main',1795339446739167,'ann','disconnect_user','eve','127.0.0.1');
CREATE TABLE alert (
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    channel INTEGER NOT NULL REFERENCES channel (id),
    id TEXT NOT NULL,
    identity TEXT NOT NULL,
    state INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    rule_id TEXT,
    triggered_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    resolved_at INTEGER,
    occurrences INTEGER NOT NULL,
    window_until INTEGER NOT NULL,
    window_count INTEGER NOT NULL,
    has_sources INTEGER NOT NULL,
    body TEXT NOT NULL, first_offset INTEGER, first_workspace_offset INTEGER, assigned_to TEXT,
    UNIQUE (workspace, id)
) STRICT;
INSERT INTO "alert" VALUES(1,1,'01a20291-e9a1-730e-ab6c-d6176f8ecf78','bc4d330a8509b8f26174b85049506904',1,1,NULL,1795339446689209,1795339446706356,NULL,2,1795339746689209,1,0,'{"alert":{"id":"01a20291-e9a1-730e-ab6c-d6176f8ecf78","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"disk","occurrences":2,"triggered_at":"2026-11-22T09:24:06.689209Z","last_seen_at":"2026-11-22T09:24:06.706356Z","notification_sent":false,"labels":{"host":"h0"}},"identity":"bc4d330a8509b8f26174b85049506904","window":{"until":1795339746689209,"count":1,"first_at":1795339446706356,"last_at":1795339446706356,"worst":null},"sources":[]}',1,1,NULL);
INSERT INTO "alert" VALUES(1,1,'01a20291-e9a1-730e-ab6c-d6176f8ecf79','9bad8adbb7b0ea9936159b59cfa9047e',2,1,NULL,1795339446689209,1795339446689209,NULL,1,1795339746689209,0,0,'{"alert":{"id":"01a20291-e9a1-730e-ab6c-d6176f8ecf79","framework_id":"web","severity":"warning","state":"acknowledged","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:06.689209Z","last_seen_at":"2026-11-22T09:24:06.689209Z","notification_sent":false,"labels":{"host":"h1"},"acknowledged_at":"2026-11-22T09:24:06.718616Z","acknowledged_by":"ann","notes":"on it"},"identity":"9bad8adbb7b0ea9936159b59cfa9047e","window":{"until":1795339746689209,"count":0,"first_at":0,"last_at":0,"worst":null},"sources":[]}',2,2,NULL);
INSERT INTO "alert" VALUES(1,1,'01a20291-e9a1-730e-ab6c-d6176f8ecf7a','118bfe73a7f51125d9e84ce751a564fd',3,1,NULL,1795339446689209,1795339446689209,1795339446728999,1,1795339746689209,0,0,'{"alert":{"id":"01a20291-e9a1-730e-ab6c-d6176f8ecf7a","framework_id":"web","severity":"warning","state":"resolved","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:06.689209Z","last_seen_at":"2026-11-22T09:24:06.689209Z","notification_sent":false,"labels":{"host":"h2"},"resolved_at":"2026-11-22T09:24:06.728999Z","resolved_by":"ann","notes":"gone"},"identity":"118bfe73a7f51125d9e84ce751a564fd","window":{"until":1795339746689209,"count":0,"first_at":0,"last_at":0,"worst":null},"sources":[]}',3,3,NULL);
INSERT INTO "alert" VALUES(1,2,'01a20291-e9cd-7031-9d0e-311509e1dd56','66e3ea5e283bff4d002cd64698e4ffcc',1,1,NULL,1795339446733024,1795339446733024,NULL,1,1795339746733024,0,1,'{"alert":{"id":"01a20291-e9cd-7031-9d0e-311509e1dd56","framework_id":"db","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"Up","occurrences":1,"triggered_at":"2026-11-22T09:24:06.733024Z","last_seen_at":"2026-11-22T09:24:06.733024Z","notification_sent":false,"alert_type":"prometheus","labels":{"alertname":"Up","job":"db"}},"identity":"66e3ea5e283bff4d002cd64698e4ffcc","window":{"until":1795339746733024,"count":0,"first_at":0,"last_at":0,"worst":null},"sources":[{"labels":{"alertname":"Up","job":"db"},"annotations":{},"starts_at":1795339446732547,"ends_at":1795339746732547,"generator_url":"","explicit_end":false}]}',1,6,NULL);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    channel INTEGER NOT NULL REFERENCES channel (id),
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    verb TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    notes TEXT
) STRICT;
INSERT INTO "audit" VALUES(1,1,1,1795339446718616,'ann','acknowledge','01a20291-e9a1-730e-ab6c-d6176f8ecf79','on it');
INSERT INTO "audit" VALUES(2,1,1,1795339446728999,'ann','resolve','01a20291-e9a1-730e-ab6c-d6176f8ecf7a','gone');
CREATE TABLE channel (
    id INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    framework TEXT NOT NULL,
    last_offset INTEGER NOT NULL DEFAULT 0,
    floor INTEGER NOT NULL DEFAULT 0,
    last_batch TEXT NOT NULL DEFAULT '',
    last_base INTEGER NOT NULL DEFAULT 0,
    last_results TEXT NOT NULL DEFAULT '[]',
    UNIQUE (workspace, framework)
) STRICT;
INSERT INTO "channel" VALUES(1,1,'web',5,0,'01a20291-e9d5-7db2-a6e1-e2ac38d3574b',5,'[]');
INSERT INTO "channel" VALUES(2,1,'db',1,0,'01a20291-e9cd-7031-9d0e-311509e1dd55',0,'[{"status":"fired","reason":"fired","alertId":"01a20291-e9cd-7031-9d0e-311509e1dd56","offset":1}]');
CREATE TABLE entry (
    person INTEGER NOT NULL REFERENCES person (id),
    person_offset INTEGER NOT NULL,
    workspace INTEGER NOT NULL,
    workspace_offset INTEGER NOT NULL,
    PRIMARY KEY (person, person_offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
    channel INTEGER NOT NULL REFERENCES channel (id),
    channel_offset INTEGER NOT NULL,
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    workspace_offset INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (channel, channel_offset),
    UNIQUE (workspace, workspace_offset)
) STRICT;
INSERT INTO "event" VALUES(1,1,1,1,1795339446689209,'{"offset":1,"kind":"fired","alert":{"id":"01a20291-e9a1-730e-ab6c-d6176f8ecf78","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:06.689209Z","last_seen_at":"2026-11-22T09:24:06.689209Z","notification_sent":false,"labels":{"host":"h0"}},"at":"2026-11-22T09:24:06.689209Z"}');
INSERT INTO "event" VALUES(1,2,1,2,1795339446689209,'{"offset":2,"kind":"fired","alert":{"id":"01a20291-e9a1-730e-ab6c-d6176f8ecf79","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:06.689209Z","last_seen_at":"2026-11-22T09:24:06.689209Z","notification_sent":false,"labels":{"host":"h1"}},"at":"2026-11-22T09:24:06.689209Z"}');
INSERT INTO "event" VALUES(1,3,1,3,1795339446689209,'{"offset":3,"kind":"fired","alert":{"id":"01a20291-e9a1-730e-ab6c-d6176f8ecf7a","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:06.689209Z","last_seen_at":"2026-11-22T09:24:06.689209Z","notification_sent":false,"labels":{"host":"h2"}},"at":"2026-11-22T09:24:06.689209Z"}');
INSERT INTO "event" VALUES(1,4,1,4,1795339446718616,'{"offset":4,"kind":"acknowledged","alert":{"id":"01a20291-e9a1-730e-ab6c-d6176f8ecf79","framework_id":"web","severity":"warning","state":"acknowledged","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:06.689209Z","last_seen_at":"2026-11-22T09:24:06.689209Z","notification_sent":false,"labels":{"host":"h1"},"acknowledged_at":"2026-11-22T09:24:06.718616Z","acknowledged_by":"ann","notes":"on it"},"at":"2026-11-22T09:24:06.718616Z","by":"ann"}');
INSERT INTO "event" VALUES(1,5,1,5,1795339446728999,'{"offset":5,"kind":"resolved","alert":{"id":"01a20291-e9a1-730e-ab6c-d6176f8ecf7a","framework_id":"web","severity":"warning","state":"resolved","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:06.689209Z","last_seen_at":"2026-11-22T09:24:06.689209Z","notification_sent":false,"labels":{"host":"h2"},"resolved_at":"2026-11-22T09:24:06.728999Z","resolved_by":"ann","notes":"gone"},"at":"2026-11-22T09:24:06.728999Z","by":"ann"}');
INSERT INTO "event" VALUES(2,1,1,6,1795339446733024,'{"offset":1,"kind":"fired","alert":{"id":"01a20291-e9cd-7031-9d0e-311509e1dd56","framework_id":"db","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"Up","occurrences":1,"triggered_at":"2026-11-22T09:24:06.733024Z","last_seen_at":"2026-11-22T09:24:06.733024Z","notification_sent":false,"alert_type":"prometheus","labels":{"alertname":"Up","job":"db"}},"at":"2026-11-22T09:24:06.733024Z"}');
CREATE TABLE migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    checksum TEXT NOT NULL
) STRICT
;
INSERT INTO "migration" VALUES(1,'alerts_and_streams',1795339446190656,'078a81afd60826cd017a7e65e2aed8b09abb51e3def9daff490c58813adece0d');
INSERT INTO "migration" VALUES(2,'people_and_marks',1795339446234029,'c969b7142736d664d678a52d2f56455e769ed8e6d6f678b7dcd408193e3c3e9c');
INSERT INTO "migration" VALUES(3,'revocations',1795339446242009,'e27fe197e0f6b8c1d44e95daf0608cd443dfb1be6e623bb43b91c2b3e3a90f84');
INSERT INTO "migration" VALUES(4,'administrative_acts',1795339446253984,'0f583020c692a97699d9c61a8218fba7877345cd33e6fcf854d5398a569b8a57');
CREATE TABLE person (
    id INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    name TEXT NOT NULL,
    last_offset INTEGER NOT NULL DEFAULT 0,
    floor INTEGER NOT NULL DEFAULT 0,
    UNIQUE (workspace, name)
) STRICT;
CREATE TABLE recipient_mark (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    user TEXT NOT NULL,
    is_seen INTEGER NOT NULL,
    min_severity INTEGER NOT NULL,
    after INTEGER NOT NULL,
    until INTEGER NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (scope, stream, user, is_seen, until, after, min_severity)
) STRICT;
CREATE TABLE revocation (
    workspace TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('jti', 'user')),
    target TEXT NOT NULL,
    at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (workspace, kind, target)
) STRICT;
INSERT INTO "revocation" VALUES('main','user','eve',1795339446736556,1826961906736556,'ann','left');
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "store" VALUES(1,'01a20291-e7f2-7066-94a3-97b30522d1d1',1795339446258063);
CREATE TABLE websocket_connections (
    client_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    framework_id TEXT,
    connected_at INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'disconnected'))
) STRICT;
CREATE TABLE workspace (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    last_offset INTEGER NOT NULL DEFAULT 0,
    floor INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO "workspace" VALUES(1,'main',6,0);
CREATE INDEX alert_by_workspace ON alert (workspace, state, severity, id);
CREATE INDEX alert_by_channel ON alert (channel, state, severity, id);
CREATE INDEX alert_cooling ON alert (channel, window_until) WHERE state >= 3;
CREATE INDEX alert_owed ON alert (channel) WHERE window_count > 0;
CREATE INDEX alert_sourced ON alert (workspace, channel) WHERE has_sources = 1 AND state < 3;
CREATE INDEX audit_by_alert ON audit (workspace, alert_id);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE INDEX websocket_connections_by_status ON websocket_connections (status, last_activity_at);
CREATE INDEX entry_by_event ON entry (workspace, workspace_offset);
CREATE INDEX alert_by_assignee ON alert (workspace, assigned_to, state, severity, id) WHERE assigned_to IS NOT NULL;
CREATE INDEX recipient_mark_by_place ON recipient_mark (scope, stream, until);
CREATE INDEX revocation_by_end ON revocation (ends_at);
CREATE INDEX administrative_act_by_workspace ON administrative_act (workspace, id);
CREATE TRIGGER administrative_act_is_not_changed BEFORE UPDATE ON administrative_act
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER administrative_act_is_not_deleted BEFORE DELETE ON administrative_act
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('administrative_act',2);
COMMIT;
