import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf, decoded, patched, placeOf, rootOf } from "../src/place.ts";

test("a place is what stands below the page's root, whatever a proxy has put before it", () => {
  assert.equal(placeOf("https://a.example/tocsin/rules/x?open=1", "/tocsin/").path, "/rules/x");
  assert.equal(placeOf("http://127.0.0.1:8080/", "/").path, "/");
  assert.equal(placeOf("http://127.0.0.1:8080/?state=active", "/").query.get("state"), "active");
});

test("the root is declared relative to the asked page", () => {
  assert.equal(rootOf("../", "https://a.example/tocsin/alerts/7"), "/tocsin/");
  assert.equal(rootOf("./", "https://a.example/rules"), "/");
  assert.equal(rootOf("", "http://localhost:5173/rules/x"), "/");
});

test("an address with two slashes does not make another host the root", () => {
  assert.equal(rootOf("./", "https://a.example//evil.example/"), "/evil.example/");
  assert.equal(rootOf("../", "https://a.example//evil.example"), "/");
});

test("a piece of a path that is not well encoded stands for itself", () => {
  assert.equal(decoded("a%20b"), "a b");
  assert.equal(decoded("%E0%A4%A"), "%E0%A4%A");
});

test("a patch replaces values, and empty ones leave the address", () => {
  const query = new URLSearchParams("severity=error&severity=critical&q=disk");
  assert.equal(patched(query, { severity: ["info"], q: null }).toString(), "severity=info");
  assert.equal(patched(query, { q: "" }).toString(), "severity=error&severity=critical");
  assert.equal(query.toString(), "severity=error&severity=critical&q=disk", "the old one is as it was");
});

test("an address has the root, the path and the query", () => {
  assert.equal(addressOf("/tocsin/", "/rules", new URLSearchParams({ q: "a b" })), "/tocsin/rules?q=a+b");
  assert.equal(addressOf("/", "/", new URLSearchParams()), "/");
});
