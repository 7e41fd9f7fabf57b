import assert from "node:assert/strict";
import { test } from "node:test";

import { type Entry, entryBody, entryDraft, ENTRY_KINDS } from "../src/views/people/directory.ts";
import {
  asRead,
  type Delivery,
  type Endpoint,
  endpointBody,
  endpointDraft,
  endpointFaults,
  fieldsOf,
  found,
  type Preference,
  preferenceBody,
  preferenceDraft,
  preferenceFaults,
  targetOf,
  troubleOf,
  turned,
} from "../src/views/people/people.ts";

const KEPT = { version: 1, updated_at: null, updated_by: null };
const HOOK: Endpoint = {
  ...KEPT,
  id: "pager",
  name: "The pager",
  channel: "webhook",
  url: "https://hooks.example.com/…",
  address: "",
  format: "tocsin",
  min_severity: "error",
  frameworks: ["web", "db"],
  enabled: true,
  title: "",
  message: "",
  secrets: [],
  unreachable: "",
  why_off: "",
};

test("without preferences a form shows what holds: the app for all, mail from error on", () => {
  const draft = preferenceDraft(null);
  assert.deepEqual(draft.channels.warning, ["in_app"]);
  assert.deepEqual(draft.channels.error, ["in_app", "email"]);
  assert.equal(preferenceBody(draft, "ann").quiet_hours, null);
});

test("preferences come back as they were, also a severity that is told by nothing", () => {
  const kept: Preference = {
    ...KEPT,
    id: "ann",
    channels: { critical: ["slack"], error: ["email"], warning: ["in_app"], info: [] },
    quiet_hours: { start: "22:00", end: "07:00", days: ["sat"] },
    quiet_below: "error",
    digest: { frequency: "daily", hour: 7, up_to: "info" },
    weekly_report: { day: "fri", hour: 17, frameworks: ["web"] },
    zone: "Europe/Berlin",
  };
  const { id, channels, quiet_hours, quiet_below, digest, weekly_report, zone } = kept;
  const body = { id, channels, quiet_hours, quiet_below, digest, weekly_report, zone };
  assert.deepEqual(preferenceBody(preferenceDraft(kept), "ann"), body);
});

test("quiet hours need two times, and only if there are any", () => {
  const draft = { ...preferenceDraft(null), quiet_hours: { start: "", end: "", days: [] } };
  assert.deepEqual(preferenceFaults(draft), {});
  assert.match(preferenceFaults({ ...draft, hasQuietHours: true }).quiet_hours ?? "", /begin and end/);
  const same = { start: "22:00", end: "22:00", days: [] };
  assert.match(preferenceFaults({ ...draft, hasQuietHours: true, quiet_hours: same }).quiet_hours ?? "", /same time/);
});

test("a channel is turned on and off in one order", () => {
  assert.deepEqual(turned(["slack"], "in_app"), ["in_app", "slack"]);
  assert.deepEqual(turned(["in_app", "slack"], "in_app"), ["slack"]);
});

test("an endpoint is sent back without a secret that nobody typed", () => {
  const body = endpointBody(endpointDraft(HOOK, "webhook"));
  assert.equal("secret" in body, false);
  assert.equal(body["url"], HOOK.url);
  assert.deepEqual(body["frameworks"], ["web", "db"]);
  assert.equal(endpointBody({ ...endpointDraft(HOOK, "webhook"), secret: "whsec_x" })["secret"], "whsec_x");
});

test("what was typed for another channel is not sent", () => {
  const draft = {
    ...endpointDraft(null, "email"),
    id: "ops",
    url: "https://x",
    secret: "s",
    format: "pagerduty" as const,
  };
  const body = endpointBody({ ...draft, address: " ops@example.com " });
  assert.deepEqual(
    [body["url"], body["address"], body["format"], "secret" in body],
    ["", "ops@example.com", "tocsin", false],
  );
});

test("each channel asks for what it needs, a change only for what is shown", () => {
  const names = (draft: Parameters<typeof endpointFaults>[0], isNew = true) =>
    Object.keys(endpointFaults(draft, isNew));
  assert.deepEqual(names(endpointDraft(null, "webhook")), ["id", "url"]);
  assert.deepEqual(names({ ...endpointDraft(null, "slack"), isBot: true }), ["id", "address", "secret"]);
  assert.deepEqual(names({ ...endpointDraft(null, "webhook"), format: "pagerduty" }), ["id", "secret"]);
  assert.deepEqual(names(endpointDraft(HOOK, "webhook"), false), []);
  assert.equal(fieldsOf(endpointDraft(null, "apprise")).secret, false);
});

test("an endpoint says what troubles it, in the engine's words", () => {
  assert.equal(troubleOf(HOOK), null);
  assert.equal(troubleOf({ ...HOOK, unreachable: "no answer" }), "no answer");
  assert.equal(troubleOf({ ...HOOK, enabled: false, why_off: "410", unreachable: "x" }), "410");
  assert.equal(troubleOf({ ...HOOK, enabled: false }), null);
  const health = { circuit: "open" as const, failures_in_a_row: 5, waiting: 0, sent: 0, failed: 5 };
  const rest = { held_until: null, last_sent_at: null, last_failed_at: null, last_cause: "timed out" };
  assert.match(troubleOf({ ...HOOK, health: { ...health, ...rest } }) ?? "", /timed out/);
  assert.equal(targetOf({ url: "", address: "" }), "–");
});

test("the ledger is narrowed down by state, channel and recipient", () => {
  const line = (recipient: string, channel: string, state: Delivery["state"]): Delivery => ({
    key: recipient + channel,
    channel,
    recipient,
    state,
    change: "fired",
    why: null,
    attempts: 1,
    at: "",
    updated_at: "",
    explanation: "",
  });
  const lines = [
    line("user:ann", "email", "failed"),
    line("user:ann", "in_app", "sent"),
    line("endpoint:p", "email", "sent"),
  ];
  const keys = (state: string, channel: string, recipient: string) =>
    found(lines, { state, channel, recipient }).map((each) => each.key);
  assert.equal(keys("", "", "").length, 3);
  assert.deepEqual(keys("sent", "email", ""), ["endpoint:pemail"]);
  assert.deepEqual(keys("", "", "ANN"), ["user:annemail", "user:annin_app"]);
});

test("some are read, or all", () => {
  const told = ["a", "b"].map((key) => ({ key, kind: "fired", at: "", is_read: false, alert: null }));
  assert.deepEqual(
    asRead(told, ["b"]).map((each) => each.is_read),
    [false, true],
  );
  assert.equal(
    asRead(told, null).every((each) => each.is_read),
    true,
  );
});

test("an entry's form sends what it shows and nothing else", () => {
  const [users, teams, frameworks] = ENTRY_KINDS;
  assert.ok(users && teams && frameworks);
  const team: Entry = {
    ...KEPT,
    origin: "made",
    id: "web",
    name: "Web",
    members: ["ann", "bob"],
    rota: { order: ["ann"] },
  };
  const draft = entryDraft(team, teams);
  assert.deepEqual(draft, { id: "web", name: "Web", members: "ann, bob" });
  assert.deepEqual(entryBody({ ...draft, members: "ann bob,ann" }, teams), { name: "Web", members: ["ann", "bob"] });
  assert.deepEqual(entryBody(entryDraft(null, frameworks), frameworks), { name: "", kind: "service", owner: null });
  const user = entryBody(entryDraft(null, users), users);
  assert.deepEqual([user["role"], user["zone"]], ["viewer", "UTC"]);
});
