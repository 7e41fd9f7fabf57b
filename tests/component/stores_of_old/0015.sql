BEGIN TRANSACTION;
CREATE TABLE administrative_act (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    verb TEXT NOT NULL,
    target TEXT NOT NULL,
    address TEXT NOT NULL
, notes TEXT, before TEXT, after TEXT) STRICT;
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
    body TEXT NOT NULL, first_offset INTEGER, first_workspace_offset INTEGER, assigned_to TEXT, step TEXT, quieted INTEGER,
    UNIQUE (workspace, id)
) STRICT;
INSERT INTO "alert" VALUES(1,1,'01a20395-2268-7326-8131-0f3b2b25d68b','f015e84d37cf88fd8126b6e1fc4e35c2',1,1,NULL,1795356435048215,1795356435048215,NULL,1,1795356735048215,0,0,'{"alert":{"id":"01a20395-2268-7326-8131-0f3b2b25d68b","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"old","occurrences":1,"triggered_at":"2026-11-22T14:07:15.048215Z","last_seen_at":"2026-11-22T14:07:15.048215Z","notification_sent":false,"labels":{"host":"h0"}},"identity":"f015e84d37cf88fd8126b6e1fc4e35c2","window":{"until":1795356735048215,"count":0,"first_at":0,"last_at":0,"worst":null}}',1,1,NULL,NULL,NULL);
INSERT INTO "alert" VALUES(1,1,'01a20395-2270-7974-8571-0295178b9c1f','135ce278437b1e33518b1e531054a0fb',1,1,NULL,1795356435056608,1795356435056608,NULL,1,1795356735056608,0,0,'{"alert":{"id":"01a20395-2270-7974-8571-0295178b9c1f","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"old","occurrences":1,"triggered_at":"2026-11-22T14:07:15.056608Z","last_seen_at":"2026-11-22T14:07:15.056608Z","notification_sent":false,"labels":{"host":"h1"}},"identity":"135ce278437b1e33518b1e531054a0fb","window":{"until":1795356735056608,"count":0,"first_at":0,"last_at":0,"worst":null}}',2,2,NULL,NULL,NULL);
INSERT INTO "alert" VALUES(1,1,'01a20395-227c-734b-bf9c-bf1d76205735','67eb4d48f9a8724b305fc417552b6e99',1,1,NULL,1795356435068224,1795356435068224,NULL,1,1795356735068224,0,0,'{"alert":{"id":"01a20395-227c-734b-bf9c-bf1d76205735","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"old","occurrences":1,"triggered_at":"2026-11-22T14:07:15.068224Z","last_seen_at":"2026-11-22T14:07:15.068224Z","notification_sent":false,"labels":{"host":"h2"}},"identity":"67eb4d48f9a8724b305fc417552b6e99","window":{"until":1795356735068224,"count":0,"first_at":0,"last_at":0,"worst":null}}',3,3,NULL,NULL,NULL);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    channel INTEGER NOT NULL REFERENCES channel (id),
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    verb TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    notes TEXT
, address TEXT NOT NULL DEFAULT '', before TEXT NOT NULL DEFAULT '{}', after TEXT NOT NULL DEFAULT '{}') STRICT;
CREATE TABLE channel (
    id INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    framework TEXT NOT NULL,
    last_offset INTEGER NOT NULL DEFAULT 0,
    floor INTEGER NOT NULL DEFAULT 0,
    last_batch TEXT NOT NULL DEFAULT '',
    last_base INTEGER NOT NULL DEFAULT 0,
    last_results TEXT NOT NULL DEFAULT '[]', log_seq INTEGER NOT NULL DEFAULT 0, log_settled INTEGER NOT NULL DEFAULT 0, log_floor INTEGER NOT NULL DEFAULT 0, log_rolled INTEGER NOT NULL DEFAULT 0, roll_until INTEGER NOT NULL DEFAULT 0, roll_series INTEGER NOT NULL DEFAULT 0, roll_start INTEGER NOT NULL DEFAULT 0,
    UNIQUE (workspace, framework)
) STRICT;
INSERT INTO "channel" VALUES(1,1,'web',3,0,'01a20395-227c-734b-bf9c-bf1d76205734',2,'[{"status":"fired","reason":"fired","alertId":"01a20395-227c-734b-bf9c-bf1d76205735","offset":3}]',0,0,0,0,0,0,0);
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    recipient TEXT NOT NULL,
    version TEXT NOT NULL,
    key TEXT NOT NULL,
    change TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('queued', 'sent', 'delivered', 'failed', 'suppressed', 'acknowledged', 'read')),
    why TEXT,
    cause TEXT,
    due INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    reference TEXT,
    at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO "delivery" VALUES(1,'main','01a20395-2268-7326-8131-0f3b2b25d68b','webhook','endpoint:pager','1','msg_5d4d823c5aa4918da5ec6f2c17f2b786','fired','queued',NULL,NULL,NULL,0,NULL,1795356436646640,1795356436646640);
INSERT INTO "delivery" VALUES(2,'main','01a20395-2270-7974-8571-0295178b9c1f','webhook','endpoint:pager','1','msg_55ec91d5cf1b769162fa350f7b7abd61','fired','queued',NULL,NULL,NULL,0,NULL,1795356436646640,1795356436646640);
INSERT INTO "delivery" VALUES(3,'main','01a20395-2268-7326-8131-0f3b2b25d68b','email','user:ann','1','msg_ce44165ddb2742181d1634667c629932','fired','queued',NULL,NULL,1795360036646640,0,NULL,1795356436646640,1795356436646640);
INSERT INTO "delivery" VALUES(4,'main','01a20395-2270-7974-8571-0295178b9c1f','email','user:ann','1','msg_337baadb09d7adff5d15c312522667be','fired','queued',NULL,NULL,1795360036646640,0,NULL,1795356436646640,1795356436646640);
INSERT INTO "delivery" VALUES(5,'main','01a20395-227c-734b-bf9c-bf1d76205735','email','user:ann','1','msg_e24f0373206ef92903226189cfe2e61a','fired','failed','refused','the mail server refused it',NULL,1,NULL,1795356436646640,1795356436646640);
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
INSERT INTO "event" VALUES(1,1,1,1,1795356435048215,'{"offset":1,"kind":"fired","alert":{"id":"01a20395-2268-7326-8131-0f3b2b25d68b","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"old","occurrences":1,"triggered_at":"2026-11-22T14:07:15.048215Z","last_seen_at":"2026-11-22T14:07:15.048215Z","notification_sent":false,"labels":{"host":"h0"}},"at":"2026-11-22T14:07:15.048215Z"}');
INSERT INTO "event" VALUES(1,2,1,2,1795356435056608,'{"offset":2,"kind":"fired","alert":{"id":"01a20395-2270-7974-8571-0295178b9c1f","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"old","occurrences":1,"triggered_at":"2026-11-22T14:07:15.056608Z","last_seen_at":"2026-11-22T14:07:15.056608Z","notification_sent":false,"labels":{"host":"h1"}},"at":"2026-11-22T14:07:15.056608Z"}');
INSERT INTO "event" VALUES(1,3,1,3,1795356435068224,'{"offset":3,"kind":"fired","alert":{"id":"01a20395-227c-734b-bf9c-bf1d76205735","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"old","occurrences":1,"triggered_at":"2026-11-22T14:07:15.068224Z","last_seen_at":"2026-11-22T14:07:15.068224Z","notification_sent":false,"labels":{"host":"h2"}},"at":"2026-11-22T14:07:15.068224Z"}');
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    framework TEXT,
    state INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
    prio INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    attempts_max INTEGER NOT NULL,
    deadline_s INTEGER NOT NULL,
    ukey TEXT,
    schedule TEXT,
    args TEXT NOT NULL,
    errors TEXT NOT NULL DEFAULT '[]',
    lease_no INTEGER NOT NULL DEFAULT 0,
    lease_by TEXT,
    lease_until INTEGER,
    started_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO "job" VALUES(4,'analytics','job_cleanup','',NULL,2,5,1795356436698250,1795356736698250,1,3,600,NULL,NULL,'{"since":0,"until":1}','[]',1,'old:1',1795356466700449,1795356436700449,1795356436698250,1795356436700449);
INSERT INTO "job" VALUES(5,'notification','send','main',NULL,0,5,1795360036646640,1795360336646640,1,5,60,'msg_5d4d823c5aa4918da5ec6f2c17f2b786',NULL,'{"key":"msg_5d4d823c5aa4918da5ec6f2c17f2b786","by":null,"text":""}','[{"at":1795356436646640,"attempt":1,"cause":"answered 500","traceback":null}]',1,NULL,NULL,NULL,1795356436718175,1795356436730160);
INSERT INTO "job" VALUES(6,'notification','send','main',NULL,1,5,1795356436718175,1795356736718175,0,5,60,'msg_55ec91d5cf1b769162fa350f7b7abd61',NULL,'{"key":"msg_55ec91d5cf1b769162fa350f7b7abd61","by":null,"text":""}','[]',0,NULL,NULL,NULL,1795356436718175,1795356436718175);
INSERT INTO "job" VALUES(7,'notification','digest','main',NULL,0,5,1795360036646640,1795360336646640,0,5,60,'digest:main:email:user:ann:1795360036646640',NULL,'{"channel":"email","recipient":{"user":"ann"},"until":1795360036646640}','[]',0,NULL,NULL,NULL,1795356436738185,1795356436738185);
INSERT INTO "job" VALUES(8,'alert','ring','main',NULL,1,5,1795356436742297,1795356736742297,0,3,30,'handed:main:boss:1',NULL,'{}','[]',0,NULL,NULL,NULL,1795356436742297,1795356436742297);
CREATE TABLE job_cron (
    name TEXT PRIMARY KEY,
    last_fire INTEGER NOT NULL,
    paused_at INTEGER,
    completed INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    last_verdict TEXT,
    last_started_at INTEGER,
    last_finished_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "job_cron" VALUES('alert-stats-refresh',1795356435031195,NULL,0,0,0,NULL,NULL,NULL);
INSERT INTO "job_cron" VALUES('analytics-aggregation',1795356434825181,NULL,0,0,0,NULL,NULL,NULL);
INSERT INTO "job_cron" VALUES('cache-health-check',1795356434836167,NULL,0,0,0,NULL,NULL,NULL);
INSERT INTO "job_cron" VALUES('digests',1795356435047213,NULL,0,0,0,NULL,NULL,NULL);
INSERT INTO "job_cron" VALUES('job-cleanup',1795356435035525,NULL,0,0,0,NULL,NULL,NULL);
INSERT INTO "job_cron" VALUES('main:nightly',1795356436646640,1795356436759492,0,0,0,NULL,NULL,NULL);
INSERT INTO "job_cron" VALUES('pattern-detection',1795356434830929,NULL,0,0,0,NULL,NULL,NULL);
INSERT INTO "job_cron" VALUES('prediction-generation',1795356434835318,NULL,0,0,0,NULL,NULL,NULL);
INSERT INTO "job_cron" VALUES('retention',1795356435039453,NULL,0,0,0,NULL,NULL,NULL);
CREATE TABLE job_done (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    framework TEXT,
    state INTEGER NOT NULL CHECK (state IN (3, 4, 5, 6)),
    prio INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    deadline_s INTEGER NOT NULL,
    ukey TEXT,
    schedule TEXT,
    args TEXT NOT NULL,
    errors TEXT NOT NULL,
    lease_no INTEGER NOT NULL,
    result TEXT,
    started_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO "job_done" VALUES(1,'notification','send','main',NULL,4,5,1795356436666325,1,5,60,'msg_e24f0373206ef92903226189cfe2e61a',NULL,'{"key":"msg_e24f0373206ef92903226189cfe2e61a","by":null,"text":""}','[{"at":1795356436646640,"attempt":1,"cause":"the mail server refused it","traceback":null}]',1,NULL,1795356436672475,1795356436666325,1795356436686298);
INSERT INTO "job_done" VALUES(2,'analytics','job_cleanup','',NULL,3,5,1795356436698250,1,3,600,NULL,NULL,'{"since":0,"until":1}','[]',1,'{"deleted":0}',1795356436700449,1795356436698250,1795356436709476);
INSERT INTO "job_done" VALUES(3,'analytics','job_cleanup','',NULL,5,5,1795356436698250,1,3,600,NULL,NULL,'{"since":0,"until":1}','[]',1,NULL,1795356436700449,1795356436698250,1795356436714292);
CREATE TABLE job_node (
    node TEXT PRIMARY KEY,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "job_node" VALUES('old:1',1795356434197914);
CREATE TABLE job_queue (
    name TEXT PRIMARY KEY,
    paused_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "job_queue" VALUES('prediction',1795356436754232);
CREATE TABLE migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    checksum TEXT NOT NULL
) STRICT
;
INSERT INTO "migration" VALUES(1,'alerts_and_streams',1795356434098578,'078a81afd60826cd017a7e65e2aed8b09abb51e3def9daff490c58813adece0d');
INSERT INTO "migration" VALUES(2,'people_and_marks',1795356434114040,'c969b7142736d664d678a52d2f56455e769ed8e6d6f678b7dcd408193e3c3e9c');
INSERT INTO "migration" VALUES(3,'revocations',1795356434116625,'e27fe197e0f6b8c1d44e95daf0608cd443dfb1be6e623bb43b91c2b3e3a90f84');
INSERT INTO "migration" VALUES(4,'administrative_acts',1795356434121959,'0f583020c692a97699d9c61a8218fba7877345cd33e6fcf854d5398a569b8a57');
INSERT INTO "migration" VALUES(5,'objects',1795356434129061,'6029ffe1f21e6dc02f4ed1d8e48682a1f2b10e6babf932951c91d504d20372a0');
INSERT INTO "migration" VALUES(6,'readings',1795356434133074,'2cdaa77ed93a978a85644d3ad1c66731b9e1fa4b429c34c7deb8747ed711e22e');
INSERT INTO "migration" VALUES(7,'life',1795356434137976,'c030f892fe4845c4152bbc0224649e2fc1f954700f584ed8d831bcdb794bf9ce');
INSERT INTO "migration" VALUES(8,'workflows',1795356434143837,'64c9013bb4585b6d0d9c80cfa15139824c3675267fe1526e0cb8b22aa7dd24b6');
INSERT INTO "migration" VALUES(9,'quieting',1795356434147068,'c9ba63df2bed6f51b3b50ca7396dd2d9039dabd6e6caf056094decbd814f0992');
INSERT INTO "migration" VALUES(10,'what_acts_changed',1795356434148212,'7af77c380bde8ff188ba209fda78ae260b19c4fb866ab06258d1aa80af4d2e50');
INSERT INTO "migration" VALUES(11,'jobs',1795356434162039,'3daa5b861088948c415823c28368336827d89654007290c03f8491b86a86bb7a');
INSERT INTO "migration" VALUES(12,'ends_and_crowds',1795356434165988,'fadd4eb07e62f8657c873e1d60758cef76dd5eb2a856f787876db8d4038ddc4b');
INSERT INTO "migration" VALUES(13,'deliveries',1795356434169756,'cb2e617d0babe314ba3ae8324bf730358cc8b91cd163885e5411ae84433b3235');
INSERT INTO "migration" VALUES(14,'jobs_handed_over',1795356434172975,'e165e30b921d238cd3a8c4044bd3e507bdc99c6ed04e96991e64bc3aaef08144');
INSERT INTO "migration" VALUES(15,'where_sources_report',1795356434173437,'972b813bb36141fce63f0ac3042ee91047557166392d7e97a215e1a10b9a9623');
CREATE TABLE object (
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    framework TEXT,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    archived_at INTEGER, ends_at INTEGER, crowd TEXT,
    PRIMARY KEY (kind, workspace, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE object_version (
    kind TEXT NOT NULL,
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT,
    is_archived INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    verb TEXT NOT NULL,
    PRIMARY KEY (kind, workspace, id, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE person (
    id INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    name TEXT NOT NULL,
    last_offset INTEGER NOT NULL DEFAULT 0,
    floor INTEGER NOT NULL DEFAULT 0,
    UNIQUE (workspace, name)
) STRICT;
CREATE TABLE reading (
    channel INTEGER NOT NULL REFERENCES channel (id),
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (channel, seq)
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
CREATE TABLE rollup (
    channel INTEGER NOT NULL,
    series INTEGER NOT NULL,
    width_s INTEGER NOT NULL,
    start INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    total REAL NOT NULL,
    least REAL NOT NULL,
    most REAL NOT NULL,
    last_at INTEGER NOT NULL,
    last_value REAL NOT NULL,
    PRIMARY KEY (channel, series, width_s, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE rule_state (
    channel INTEGER NOT NULL REFERENCES channel (id),
    rule TEXT NOT NULL,
    labels TEXT NOT NULL,
    essence TEXT NOT NULL,
    seq INTEGER NOT NULL,
    due INTEGER,
    body BLOB NOT NULL,
    PRIMARY KEY (channel, rule, labels)
) STRICT;
CREATE TABLE series (
    channel INTEGER NOT NULL REFERENCES channel (id),
    number INTEGER NOT NULL,
    metric TEXT NOT NULL,
    labels TEXT NOT NULL,
    last_at INTEGER,
    last_value REAL,
    PRIMARY KEY (channel, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "store" VALUES(1,'01a20395-1efe-7112-a926-c3472c31a55c',1795356434174100);
CREATE TABLE storm (
    channel INTEGER PRIMARY KEY REFERENCES channel (id),
    workspace INTEGER NOT NULL REFERENCES workspace (id),
    full_at INTEGER NOT NULL,
    since INTEGER NOT NULL,
    held INTEGER NOT NULL,
    rang INTEGER NOT NULL
) STRICT;
CREATE TABLE tracker (
    workspace TEXT NOT NULL,
    project TEXT NOT NULL,
    workflow TEXT NOT NULL,
    item TEXT,
    late_at INTEGER,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (workspace, project)
) STRICT;
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
INSERT INTO "workspace" VALUES(1,'main',3,0);
CREATE INDEX alert_by_workspace ON alert (workspace, state, severity, id);
CREATE INDEX alert_by_channel ON alert (channel, state, severity, id);
CREATE INDEX alert_cooling ON alert (channel, window_until) WHERE state >= 3;
CREATE INDEX alert_owed ON alert (channel) WHERE window_count > 0;
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
CREATE INDEX object_by_framework ON object (kind, workspace, framework, id);
CREATE TRIGGER object_version_is_not_changed BEFORE UPDATE ON object_version
BEGIN
    SELECT RAISE(ABORT, 'the history of objects is append-only');
END;
CREATE TRIGGER object_version_is_not_deleted BEFORE DELETE ON object_version
BEGIN
    SELECT RAISE(ABORT, 'the history of objects is append-only');
END;
CREATE INDEX channel_unsettled ON channel (id) WHERE log_settled < log_seq;
CREATE INDEX series_by_metric ON series (channel, metric, number);
CREATE INDEX reading_by_time ON reading (channel, last_at, seq, first_at);
CREATE INDEX rollup_by_age ON rollup (width_s, start);
CREATE INDEX rule_state_waiting ON rule_state (channel) WHERE due IS NOT NULL;
CREATE INDEX audit_by_alert ON audit (workspace, alert_id, at);
CREATE INDEX audit_by_time ON audit (workspace, at);
CREATE INDEX audit_by_person ON audit (workspace, by, at);
CREATE INDEX audit_by_verb ON audit (workspace, verb, at);
CREATE INDEX administrative_act_by_time ON administrative_act (workspace, at);
CREATE INDEX administrative_act_by_person ON administrative_act (workspace, by, at);
CREATE INDEX administrative_act_by_verb ON administrative_act (workspace, verb, at);
CREATE INDEX administrative_act_by_target ON administrative_act (workspace, target, at);
CREATE INDEX alert_taken ON alert (channel) WHERE state = 2;
CREATE INDEX tracker_by_item ON tracker (workspace, item, project);
CREATE INDEX tracker_by_workflow ON tracker (workspace, workflow, project);
CREATE INDEX tracker_late ON tracker (workspace, late_at, project) WHERE late_at IS NOT NULL;
CREATE UNIQUE INDEX alert_active_step ON alert (channel, step) WHERE step IS NOT NULL AND state < 3;
CREATE INDEX alert_cooling_step ON alert (channel, window_until) WHERE step IS NOT NULL AND state >= 3;
CREATE INDEX alert_step_by_state ON alert (channel, state, triggered_at DESC) WHERE step IS NOT NULL;
CREATE INDEX alert_step_by_creation ON alert (workspace, triggered_at DESC, channel) WHERE step IS NOT NULL;
CREATE INDEX alert_quieted ON alert (workspace, quieted, state, severity, id) WHERE quieted IS NOT NULL;
CREATE INDEX alert_quieted_open ON alert (channel) WHERE quieted IS NOT NULL AND state < 3;
CREATE INDEX storm_now ON storm (workspace, channel) WHERE since > 0;
CREATE INDEX job_waiting ON job (queue, rank, id) WHERE state = 1;
CREATE INDEX job_delayed ON job (run_at) WHERE state = 0;
CREATE INDEX job_active ON job (lease_until) WHERE state = 2;
CREATE UNIQUE INDEX job_key ON job (ukey) WHERE ukey IS NOT NULL;
CREATE INDEX job_of_schedule ON job (schedule) WHERE schedule IS NOT NULL;
CREATE INDEX job_of_workspace ON job (workspace, id);
CREATE INDEX job_done_kept ON job_done (queue, state, updated_at);
CREATE INDEX job_done_of_workspace ON job_done (workspace, id);
CREATE VIEW alert_job_state AS
SELECT
    CAST(id AS TEXT) AS id,
    CAST(id AS TEXT) AS job_id,
    queue AS job_type,
    CASE state WHEN 2 THEN 'processing' ELSE 'pending' END AS status,
    workspace AS workspace_id,
    framework AS framework_id,
    args AS data,
    errors ->> '$[#-1].cause' AS error_message,
    max(attempt - (state = 2), 0) AS retry_count,
    created_at,
    updated_at,
    NULL AS completed_at
FROM job
UNION ALL
SELECT
    CAST(id AS TEXT), CAST(id AS TEXT), queue,
    CASE state WHEN 3 THEN 'completed' WHEN 6 THEN 'completed' ELSE 'failed' END,
    workspace, framework, args, errors ->> '$[#-1].cause', max(attempt - 1, 0), created_at, updated_at,
    CASE state WHEN 3 THEN updated_at END
FROM job_done;
CREATE INDEX object_by_end ON object (ends_at) WHERE ends_at IS NOT NULL;
CREATE INDEX object_by_crowd ON object (workspace, crowd, ends_at) WHERE crowd IS NOT NULL AND archived_at IS NULL;
CREATE UNIQUE INDEX delivery_key ON delivery (key);
CREATE INDEX delivery_of_alert ON delivery (workspace, alert_id, id);
CREATE INDEX delivery_put_aside ON delivery (due, workspace, channel, recipient) WHERE state = 'queued' AND due IS NOT NULL;
CREATE INDEX delivery_in_app ON delivery (workspace, recipient, id) WHERE channel = 'in_app';
CREATE INDEX delivery_unread ON delivery (workspace, recipient)
    WHERE channel = 'in_app' AND state IN ('sent', 'delivered', 'acknowledged');
CREATE INDEX delivery_kept ON delivery (updated_at);
CREATE INDEX job_done_handed ON job_done (ukey) WHERE ukey >= 'handed:' AND ukey < 'handed;';
CREATE INDEX job_done_failed ON job_done (id) WHERE state = 4;
CREATE INDEX alert_sourced ON alert (workspace, channel, identity) WHERE has_sources = 1 AND state < 3;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('delivery',6);
INSERT INTO "sqlite_sequence" VALUES('job',8);
COMMIT;
