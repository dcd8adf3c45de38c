import assert from "node:assert/strict";
import { test } from "node:test";
import { isHoldfastError } from "../lib/errors.ts";
import { parseRestLocation } from "./rest-location.ts";

test("locations as restic writes them", () => {
  for (const [location, url, user] of [
    ["rest:http://host:8000/", "http://host:8000/", undefined],
    ["rest:https://host", "https://host/", undefined],
    ["rest:https://host/some/path", "https://host/some/path/", undefined],
    ["rest:https://me@host/a%20b/", "https://host/a%20b/", "me"],
    ["rest:https://m%C3%A9@[::1]:8000/crm/", "https://[::1]:8000/crm/", "mé"],
  ] as const) {
    assert.deepEqual(parseRestLocation(location), { url, ...(user && { user }) });
  }
});

test("what is no place, or holds a password, is refused and the password not repeated", () => {
  for (const location of [
    "rest:",
    "rest:host/path",
    "rest:ftp://host/",
    "rest:https://",
    "rest:https://me:SECRET@host/",
    "rest:https://:SECRET@host/",
    "rest:https://me:SECRET@/",
    "rest:https://me:SECR@ET@host/",
    "rest:https://a%3Ab@host/",
    "rest:https://a%zz@host/",
    "rest:https://host/?key=SECRET",
    "rest:https://host/#SECRET",
    "rest:http+unix:///run/rest.sock:/",
  ]) {
    assert.throws(
      () => parseRestLocation(location),
      (error) => {
        assert.ok(isHoldfastError(error, "storage-address"), String(error));
        assert.ok(!JSON.stringify(error.facts).includes("SECR"), JSON.stringify(error.facts));
        return true;
      },
      location,
    );
  }
});
