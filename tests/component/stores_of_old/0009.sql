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
INSERT INTO "administrative_act" VALUES(1,'main',1795339470251152,'ann','revoke_user','eve','127.0.0.1');
INSERT INTO "administrative_act" VALUES(2,'main',1795339470264651,'ann','disconnect_user','eve','127.0.0.1');
INSERT INTO "administrative_act" VALUES(3,'main',1795339470274831,'ann','create_rule','cpu','127.0.0.1');
INSERT INTO "administrative_act" VALUES(4,'main',1795339470299519,'ann','change_rule','cpu','127.0.0.1');
INSERT INTO "administrative_act" VALUES(5,'main',1795339470315852,'ann','create_silence','exact','127.0.0.1');
INSERT INTO "administrative_act" VALUES(6,'main',1795339470342057,'ann','create_silence','expression','127.0.0.1');
INSERT INTO "administrative_act" VALUES(7,'main',1795339470360413,'ann','create_silence','over','127.0.0.1');
INSERT INTO "administrative_act" VALUES(8,'main',1795339470380488,'ann','change_silence','over','127.0.0.1');
INSERT INTO "administrative_act" VALUES(9,'main',1795339470393423,'ann','create_maintenance','weekly','127.0.0.1');
INSERT INTO "administrative_act" VALUES(10,'main',1795339470409698,'ann','create_maintenance','once','127.0.0.1');
INSERT INTO "administrative_act" VALUES(11,'main',1795339470451189,'ann','create_workflow','roofing','127.0.0.1');
INSERT INTO "administrative_act" VALUES(12,'main',1795339470464544,'ann','set_tracker','42','127.0.0.1');
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
INSERT INTO "alert" VALUES(1,1,'01a20292-456a-786e-85f5-eaab33f5b958','bc4d330a8509b8f26174b85049506904',1,1,NULL,1795339470186545,1795339470202650,NULL,2,1795339770186545,1,0,'{"alert":{"id":"01a20292-456a-786e-85f5-eaab33f5b958","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"disk","occurrences":2,"triggered_at":"2026-11-22T09:24:30.186545Z","last_seen_at":"2026-11-22T09:24:30.202650Z","notification_sent":false,"labels":{"host":"h0"}},"identity":"bc4d330a8509b8f26174b85049506904","window":{"until":1795339770186545,"count":1,"first_at":1795339470202650,"last_at":1795339470202650,"worst":null}}',1,1,NULL,NULL,NULL);
INSERT INTO "alert" VALUES(1,1,'01a20292-456a-786e-85f5-eaab33f5b959','9bad8adbb7b0ea9936159b59cfa9047e',2,1,NULL,1795339470186545,1795339470186545,NULL,1,1795339770186545,0,0,'{"alert":{"id":"01a20292-456a-786e-85f5-eaab33f5b959","framework_id":"web","severity":"warning","state":"acknowledged","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:30.186545Z","last_seen_at":"2026-11-22T09:24:30.186545Z","notification_sent":false,"labels":{"host":"h1"},"acknowledged_at":"2026-11-22T09:24:30.214541Z","acknowledged_by":"ann","notes":"on it","notes_by":"ann"},"identity":"9bad8adbb7b0ea9936159b59cfa9047e","window":{"until":1795339770186545,"count":0,"first_at":0,"last_at":0,"worst":null}}',2,2,NULL,NULL,NULL);
INSERT INTO "alert" VALUES(1,1,'01a20292-456a-786e-85f5-eaab33f5b95a','118bfe73a7f51125d9e84ce751a564fd',3,1,NULL,1795339470186545,1795339470186545,1795339470226789,1,1795339770186545,0,0,'{"alert":{"id":"01a20292-456a-786e-85f5-eaab33f5b95a","framework_id":"web","severity":"warning","state":"resolved","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:30.186545Z","last_seen_at":"2026-11-22T09:24:30.186545Z","notification_sent":false,"labels":{"host":"h2"},"resolved_at":"2026-11-22T09:24:30.226789Z","resolved_by":"ann","notes":"gone","notes_by":"ann"},"identity":"118bfe73a7f51125d9e84ce751a564fd","window":{"until":1795339770186545,"count":0,"first_at":0,"last_at":0,"worst":null},"flaps":{"changes":3,"at":1795339470226789,"is_bad":false,"calm_at":0,"until":1795339670226789}}',3,3,NULL,NULL,NULL);
INSERT INTO "alert" VALUES(1,2,'01a20292-45a4-74d9-9f55-9609d065f149','66e3ea5e283bff4d002cd64698e4ffcc',1,1,NULL,1795339470244321,1795339470244321,NULL,1,1795339770244321,0,1,'{"alert":{"id":"01a20292-45a4-74d9-9f55-9609d065f149","framework_id":"db","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"Up","occurrences":1,"triggered_at":"2026-11-22T09:24:30.244321Z","last_seen_at":"2026-11-22T09:24:30.244321Z","notification_sent":false,"alert_type":"prometheus","labels":{"alertname":"Up","job":"db"}},"identity":"66e3ea5e283bff4d002cd64698e4ffcc","window":{"until":1795339770244321,"count":0,"first_at":0,"last_at":0,"worst":null},"sources":[{"labels":{"alertname":"Up","job":"db"},"annotations":{},"starts_at":1795339470242758,"ends_at":1795339770242758,"generator_url":"","explicit_end":false}]}',1,6,NULL,NULL,NULL);
INSERT INTO "alert" VALUES(1,1,'01a20292-4656-76e9-99e0-79512e55e022','916fd1d77ac5f2e8dde806a16bc11ac1',1,1,NULL,1795339470422441,1795339470422441,NULL,1,1795339770422441,0,0,'{"alert":{"id":"01a20292-4656-76e9-99e0-79512e55e022","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:30.422441Z","last_seen_at":"2026-11-22T09:24:30.422441Z","notification_sent":false,"labels":{"host":"h9"},"quieted_by":"silenced","quieted_ref":"exact","quieted_until":"2099-01-01T00:00:00.000000Z"},"identity":"916fd1d77ac5f2e8dde806a16bc11ac1","window":{"until":1795339770422441,"count":0,"first_at":0,"last_at":0,"worst":null}}',6,7,NULL,NULL,2);
INSERT INTO "alert" VALUES(1,1,'01a20292-466a-7856-85c7-0f5cc3852bb4','31ac7975d7523f9ad7a3dfd1d2ff9de4',1,1,'cpu',1795339470442536,1795339470442536,NULL,1,1795339770442536,0,0,'{"alert":{"id":"01a20292-466a-7856-85c7-0f5cc3852bb4","framework_id":"web","severity":"warning","state":"active","current_value":99.0,"threshold_value":95.0,"title":"CPU","occurrences":1,"triggered_at":"2026-11-22T09:24:30.442536Z","last_seen_at":"2026-11-22T09:24:30.442536Z","notification_sent":false,"rule_id":"cpu","alert_rule_id":"cpu"},"identity":"31ac7975d7523f9ad7a3dfd1d2ff9de4","window":{"until":1795339770442536,"count":0,"first_at":0,"last_at":0,"worst":null}}',7,8,NULL,NULL,NULL);
INSERT INTO "alert" VALUES(1,3,'01a20292-4690-7b85-839a-b08aa5710c9e','e6e5283feea65d7893fac23b0080e87b',1,1,NULL,1795339470480702,1795339470480702,NULL,1,1795425870480702,0,0,'{"alert":{"id":"01a20292-4690-7b85-839a-b08aa5710c9e","framework_id":"42","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"One","occurrences":1,"triggered_at":"2026-11-22T09:24:30.480702Z","last_seen_at":"2026-11-22T09:24:30.480702Z","notification_sent":false,"alert_type":"Work Flow Line Item","message":"LEAD / s","labels":{"workflow":"roofing","phase":"LEAD","section":"s"},"project_id":"42","step_id":"i1"},"identity":"e6e5283feea65d7893fac23b0080e87b","window":{"until":1795425870480702,"count":0,"first_at":0,"last_at":0,"worst":null}}',1,9,NULL,'i1',NULL);
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
INSERT INTO "audit" VALUES(1,1,1,1795339470214541,'ann','acknowledge','01a20292-456a-786e-85f5-eaab33f5b959','on it','127.0.0.1','{"state":"active"}','{"state":"acknowledged"}');
INSERT INTO "audit" VALUES(2,1,1,1795339470226789,'ann','resolve','01a20292-456a-786e-85f5-eaab33f5b95a','gone','127.0.0.1','{"state":"active"}','{"state":"resolved"}');
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
INSERT INTO "channel" VALUES(1,1,'web',7,0,'01a20292-46a4-7287-9894-a46baaf94a54',7,'[]',1,1,0,0,0,0,0);
INSERT INTO "channel" VALUES(2,1,'db',1,0,'01a20292-45a4-74d9-9f55-9609d065f148',0,'[{"status":"fired","reason":"fired","alertId":"01a20292-45a4-74d9-9f55-9609d065f149","offset":1}]',0,0,0,0,0,0,0);
INSERT INTO "channel" VALUES(3,1,'42',1,0,'',0,'[]',0,0,0,0,0,0,0);
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
INSERT INTO "event" VALUES(1,1,1,1,1795339470186545,'{"offset":1,"kind":"fired","alert":{"id":"01a20292-456a-786e-85f5-eaab33f5b958","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:30.186545Z","last_seen_at":"2026-11-22T09:24:30.186545Z","notification_sent":false,"labels":{"host":"h0"}},"at":"2026-11-22T09:24:30.186545Z"}');
INSERT INTO "event" VALUES(1,2,1,2,1795339470186545,'{"offset":2,"kind":"fired","alert":{"id":"01a20292-456a-786e-85f5-eaab33f5b959","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:30.186545Z","last_seen_at":"2026-11-22T09:24:30.186545Z","notification_sent":false,"labels":{"host":"h1"}},"at":"2026-11-22T09:24:30.186545Z"}');
INSERT INTO "event" VALUES(1,3,1,3,1795339470186545,'{"offset":3,"kind":"fired","alert":{"id":"01a20292-456a-786e-85f5-eaab33f5b95a","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:30.186545Z","last_seen_at":"2026-11-22T09:24:30.186545Z","notification_sent":false,"labels":{"host":"h2"}},"at":"2026-11-22T09:24:30.186545Z"}');
INSERT INTO "event" VALUES(1,4,1,4,1795339470214541,'{"offset":4,"kind":"acknowledged","alert":{"id":"01a20292-456a-786e-85f5-eaab33f5b959","framework_id":"web","severity":"warning","state":"acknowledged","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:30.186545Z","last_seen_at":"2026-11-22T09:24:30.186545Z","notification_sent":false,"labels":{"host":"h1"},"acknowledged_at":"2026-11-22T09:24:30.214541Z","acknowledged_by":"ann","notes":"on it","notes_by":"ann"},"at":"2026-11-22T09:24:30.214541Z","by":"ann"}');
INSERT INTO "event" VALUES(1,5,1,5,1795339470226789,'{"offset":5,"kind":"resolved","alert":{"id":"01a20292-456a-786e-85f5-eaab33f5b95a","framework_id":"web","severity":"warning","state":"resolved","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:30.186545Z","last_seen_at":"2026-11-22T09:24:30.186545Z","notification_sent":false,"labels":{"host":"h2"},"resolved_at":"2026-11-22T09:24:30.226789Z","resolved_by":"ann","notes":"gone","notes_by":"ann"},"at":"2026-11-22T09:24:30.226789Z","by":"ann"}');
INSERT INTO "event" VALUES(2,1,1,6,1795339470244321,'{"offset":1,"kind":"fired","alert":{"id":"01a20292-45a4-74d9-9f55-9609d065f149","framework_id":"db","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"Up","occurrences":1,"triggered_at":"2026-11-22T09:24:30.244321Z","last_seen_at":"2026-11-22T09:24:30.244321Z","notification_sent":false,"alert_type":"prometheus","labels":{"alertname":"Up","job":"db"}},"at":"2026-11-22T09:24:30.244321Z"}');
INSERT INTO "event" VALUES(1,6,1,7,1795339470422441,'{"offset":6,"kind":"fired","alert":{"id":"01a20292-4656-76e9-99e0-79512e55e022","framework_id":"web","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"disk","occurrences":1,"triggered_at":"2026-11-22T09:24:30.422441Z","last_seen_at":"2026-11-22T09:24:30.422441Z","notification_sent":false,"labels":{"host":"h9"},"quieted_by":"silenced","quieted_ref":"exact","quieted_until":"2099-01-01T00:00:00.000000Z"},"at":"2026-11-22T09:24:30.422441Z"}');
INSERT INTO "event" VALUES(1,7,1,8,1795339470442536,'{"offset":7,"kind":"fired","alert":{"id":"01a20292-466a-7856-85c7-0f5cc3852bb4","framework_id":"web","severity":"warning","state":"active","current_value":99.0,"threshold_value":95.0,"title":"CPU","occurrences":1,"triggered_at":"2026-11-22T09:24:30.442536Z","last_seen_at":"2026-11-22T09:24:30.442536Z","notification_sent":false,"rule_id":"cpu","alert_rule_id":"cpu"},"at":"2026-11-22T09:24:30.442536Z"}');
INSERT INTO "event" VALUES(3,1,1,9,1795339470480702,'{"offset":1,"kind":"fired","alert":{"id":"01a20292-4690-7b85-839a-b08aa5710c9e","framework_id":"42","severity":"warning","state":"active","current_value":null,"threshold_value":null,"title":"One","occurrences":1,"triggered_at":"2026-11-22T09:24:30.480702Z","last_seen_at":"2026-11-22T09:24:30.480702Z","notification_sent":false,"alert_type":"Work Flow Line Item","message":"LEAD / s","labels":{"workflow":"roofing","phase":"LEAD","section":"s"},"project_id":"42","step_id":"i1"},"at":"2026-11-22T09:24:30.480702Z"}');
CREATE TABLE migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    checksum TEXT NOT NULL
) STRICT
;
INSERT INTO "migration" VALUES(1,'alerts_and_streams',1795339469550522,'078a81afd60826cd017a7e65e2aed8b09abb51e3def9daff490c58813adece0d');
INSERT INTO "migration" VALUES(2,'people_and_marks',1795339469562000,'c969b7142736d664d678a52d2f56455e769ed8e6d6f678b7dcd408193e3c3e9c');
INSERT INTO "migration" VALUES(3,'revocations',1795339469565980,'e27fe197e0f6b8c1d44e95daf0608cd443dfb1be6e623bb43b91c2b3e3a90f84');
INSERT INTO "migration" VALUES(4,'administrative_acts',1795339469567539,'0f583020c692a97699d9c61a8218fba7877345cd33e6fcf854d5398a569b8a57');
INSERT INTO "migration" VALUES(5,'objects',1795339469569970,'6029ffe1f21e6dc02f4ed1d8e48682a1f2b10e6babf932951c91d504d20372a0');
INSERT INTO "migration" VALUES(6,'readings',1795339469573370,'2cdaa77ed93a978a85644d3ad1c66731b9e1fa4b429c34c7deb8747ed711e22e');
INSERT INTO "migration" VALUES(7,'life',1795339469577501,'c030f892fe4845c4152bbc0224649e2fc1f954700f584ed8d831bcdb794bf9ce');
INSERT INTO "migration" VALUES(8,'workflows',1795339469581973,'64c9013bb4585b6d0d9c80cfa15139824c3675267fe1526e0cb8b22aa7dd24b6');
INSERT INTO "migration" VALUES(9,'quieting',1795339469585969,'c9ba63df2bed6f51b3b50ca7396dd2d9039dabd6e6caf056094decbd814f0992');
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
    archived_at INTEGER,
    PRIMARY KEY (kind, workspace, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "object" VALUES('maintenance','main','once',1,NULL,'{"id":"once","title":"w","frameworks":[],"matchers":[{"name":"host","operator":"!~","value":"web-.*"}],"starts_at":"2026-01-01T00:00:00.000000Z","ends_at":"2026-01-02T00:00:00.000000Z","weekly":null}',1795339470409698,1795339470409698,'ann',NULL);
INSERT INTO "object" VALUES('maintenance','main','weekly',1,NULL,'{"id":"weekly","title":"w","frameworks":["db"],"matchers":[],"starts_at":null,"ends_at":null,"weekly":{"start":"02:00","end":"04:00","days":["sun"],"zone":"Europe/Berlin"}}',1795339470393423,1795339470393423,'ann',NULL);
INSERT INTO "object" VALUES('rule','main','cpu',2,'web','{"kind":"threshold","id":"cpu","framework":"web","metric":"cpu","title":"CPU","threshold":95.0}',1795339470274831,1795339470299519,'ann',NULL);
INSERT INTO "object" VALUES('silence','main','exact',1,NULL,'{"id":"exact","matchers":[{"name":"host","operator":"=","value":"h9"}],"starts_at":"2026-01-01T00:00:00.000000Z","ends_at":"2099-01-01T00:00:00.000000Z","author":"ann","comment":"x"}',1795339470315852,1795339470315852,'ann',NULL);
INSERT INTO "object" VALUES('silence','main','expression',1,NULL,'{"id":"expression","matchers":[{"name":"host","operator":"=~","value":"db-.*"}],"starts_at":"2026-01-01T00:00:00.500000Z","ends_at":"2099-01-01T00:00:00.000000Z","author":"ann","comment":"x"}',1795339470342057,1795339470342057,'ann',NULL);
INSERT INTO "object" VALUES('silence','main','over',2,NULL,'{"id":"over","matchers":[{"name":"host","operator":"=~","value":"db"}],"starts_at":"2026-11-22T09:24:30.360211Z","ends_at":"2026-11-22T09:24:30.379571Z","author":"ann","comment":"x"}',1795339470360413,1795339470380488,'ann',NULL);
INSERT INTO "object" VALUES('workflow','main','roofing',1,NULL,'{"id":"roofing","name":"Roof","phases":[{"phase_type":"LEAD","sections":[{"display_name":"s","items":[{"id":"i0","item_name":"Zero"},{"id":"i1","item_name":"One"}]}]}]}',1795339470451189,1795339470451189,'ann',NULL);
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
INSERT INTO "object_version" VALUES('maintenance','main','once',1,'{"id":"once","title":"w","frameworks":[],"matchers":[{"name":"host","operator":"!~","value":"web-.*"}],"starts_at":"2026-01-01T00:00:00.000000Z","ends_at":"2026-01-02T00:00:00.000000Z","weekly":null}',0,1795339470409698,'ann','create_maintenance');
INSERT INTO "object_version" VALUES('maintenance','main','weekly',1,'{"id":"weekly","title":"w","frameworks":["db"],"matchers":[],"starts_at":null,"ends_at":null,"weekly":{"start":"02:00","end":"04:00","days":["sun"],"zone":"Europe/Berlin"}}',0,1795339470393423,'ann','create_maintenance');
INSERT INTO "object_version" VALUES('rule','main','cpu',1,'{"kind":"threshold","id":"cpu","framework":"web","metric":"cpu","title":"CPU","threshold":90.0}',0,1795339470274831,'ann','create_rule');
INSERT INTO "object_version" VALUES('rule','main','cpu',2,'{"kind":"threshold","id":"cpu","framework":"web","metric":"cpu","title":"CPU","threshold":95.0}',0,1795339470299519,'ann','change_rule');
INSERT INTO "object_version" VALUES('silence','main','exact',1,'{"id":"exact","matchers":[{"name":"host","operator":"=","value":"h9"}],"starts_at":"2026-01-01T00:00:00.000000Z","ends_at":"2099-01-01T00:00:00.000000Z","author":"ann","comment":"x"}',0,1795339470315852,'ann','create_silence');
INSERT INTO "object_version" VALUES('silence','main','expression',1,'{"id":"expression","matchers":[{"name":"host","operator":"=~","value":"db-.*"}],"starts_at":"2026-01-01T00:00:00.500000Z","ends_at":"2099-01-01T00:00:00.000000Z","author":"ann","comment":"x"}',0,1795339470342057,'ann','create_silence');
INSERT INTO "object_version" VALUES('silence','main','over',1,'{"id":"over","matchers":[{"name":"host","operator":"=~","value":"db"}],"starts_at":"2026-11-22T09:24:30.360211Z","ends_at":"2099-01-01T00:00:00.000000Z","author":"ann","comment":"x"}',0,1795339470360413,'ann','create_silence');
INSERT INTO "object_version" VALUES('silence','main','over',2,'{"id":"over","matchers":[{"name":"host","operator":"=~","value":"db"}],"starts_at":"2026-11-22T09:24:30.360211Z","ends_at":"2026-11-22T09:24:30.379571Z","author":"ann","comment":"x"}',0,1795339470380488,'ann','change_silence');
INSERT INTO "object_version" VALUES('workflow','main','roofing',1,'{"id":"roofing","name":"Roof","phases":[{"phase_type":"LEAD","sections":[{"display_name":"s","items":[{"id":"i0","item_name":"Zero"},{"id":"i1","item_name":"One"}]}]}]}',0,1795339470451189,'ann','create_workflow');
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
INSERT INTO "reading" VALUES(1,1,1795339470442536,2,1795339470442367,1795339470442367,X'9392010192D1FF57D1FF5792CB4049000000000000CB4058C00000000000');
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
INSERT INTO "revocation" VALUES('main','user','eve',1795339470254291,1826961930254291,'ann','left');
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
INSERT INTO "rule_state" VALUES(1,'cpu','{}','787898e2782eb840.9f49ca5a88a0df81',1,NULL,X'9802CF000660DA0B630F7FCF000660DA0B630F7FD1FF57CF000660DA0B631028C2C092C392CF000660DA0B630F7FCB4058C00000000000');
CREATE TABLE series (
    channel INTEGER NOT NULL REFERENCES channel (id),
    number INTEGER NOT NULL,
    metric TEXT NOT NULL,
    labels TEXT NOT NULL,
    last_at INTEGER,
    last_value REAL,
    PRIMARY KEY (channel, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "series" VALUES(1,1,'cpu','{}',NULL,NULL);
CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO "store" VALUES(1,'01a20292-4315-7fc6-a1c8-c8a1fad224a8',1795339469590020);
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
INSERT INTO "tracker" VALUES('main','42','roofing','i1',1795425870480702,2,'{"project_id":"42","workflow_id":"roofing","item_id":"i1","since":"2026-11-22T09:24:30.480702Z","late_at":"2026-11-23T09:24:30.480702Z","assignees":{},"completed":[{"item_id":"i0","item_name":"Zero","at":"2026-11-22T09:24:30.480702Z","by":"ann"}],"version":2}');
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
INSERT INTO "workspace" VALUES(1,'main',9,0);
CREATE INDEX alert_by_workspace ON alert (workspace, state, severity, id);
CREATE INDEX alert_by_channel ON alert (channel, state, severity, id);
CREATE INDEX alert_cooling ON alert (channel, window_until) WHERE state >= 3;
CREATE INDEX alert_owed ON alert (channel) WHERE window_count > 0;
CREATE INDEX alert_sourced ON alert (workspace, channel) WHERE has_sources = 1 AND state < 3;
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('administrative_act',12);
COMMIT;
