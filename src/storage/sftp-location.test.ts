import assert from "node:assert/strict";
import { test } from "node:test";
import { isHoldfastError } from "../lib/errors.ts";
import { parseSftpLocation } from "./sftp-location.ts";

test("locations as restic writes them", () => {
  for (const [location, place] of [
    ["sftp:me@host:/srv/backups", { host: "host", user: "me", path: "/srv/backups" }],
    ["sftp:host:backups/crm/", { host: "host", path: "backups/crm" }],
    ["sftp:me@domain@host:/a b", { host: "host", user: "me@domain", path: "/a b" }],
    ["sftp:me@[::1]:/srv", { host: "::1", user: "me", path: "/srv" }],
    ["sftp://me@host:2222//srv/backups", { host: "host", user: "me", port: 2222, path: "/srv/backups" }],
    ["sftp://me@host:2222/backups", { host: "host", user: "me", port: 2222, path: "backups" }],
    ["sftp://[::1]//srv/a%20b/", { host: "::1", path: "/srv/a b" }],
    ["sftp://m%40x@host/./a//b", { host: "host", user: "m@x", path: "a/b" }],
  ] as const) {
    assert.deepEqual(parseSftpLocation(location), place, location);
  }
});

test("what is no place, could be an option, or holds a password, is refused and the password not repeated", () => {
  for (const location of [
    "sftp:",
    "sftp:host",
    "sftp:host:",
    "sftp:/path",
    "sftp://host",
    "sftp://host/",
    "sftp:me:SECRET@host:/srv",
    "sftp://me:SECRET@host//srv",
    "sftp://me:SECR@ET@host//srv",
    "sftp://:SECRET@host//srv",
    "sftp://host//srv?SECRET",
    "sftp:host:~/backups",
    "sftp:-oProxyCommand=x:/srv",
    "sftp:-l@host:/srv",
    "sftp://-oProxyCommand=x//srv",
    "sftp://host/%00",
    "sftp://host/%zz",
  ]) {
    assert.throws(
      () => parseSftpLocation(location),
      (error) => {
        assert.ok(isHoldfastError(error, "storage-address"), String(error));
        assert.ok(!JSON.stringify(error.facts).includes("SECR"), JSON.stringify(error.facts));
        return true;
      },
      location,
    );
  }
});
