import assert from "node:assert/strict";
import { test } from "node:test";
import { copyPlaces } from "./copy-places.ts";

test("copies, kinds and places elsewhere, as far as locations tell", () => {
  for (const [locations, copies, kinds, elsewhere] of [
    [["/srv/backups"], 2, 1, 0],
    [["/srv/backups", "/srv/backups"], 2, 1, 0],
    [["/srv/backups", "/mnt/nas"], 3, 1, 0],
    [["/srv/backups", "s3:https://s3.example.com/bucket"], 3, 2, 1],
    [["/srv/backups", "volumes:/mnt/tape"], 3, 2, 0],
    [["/srv/backups", "azure:backups:/", "gs:backups:/"], 4, 3, 2],
    [["s3:s3.eu-central-1.amazonaws.com/bucket"], 2, 2, 1],
    [["s3:http://127.0.0.1:9000/bucket"], 2, 2, 0],
    [["rest:https://me@192.168.1.5:8000/x"], 2, 2, 0],
    [["rest:https://203.0.113.5/x"], 2, 2, 1],
    [["sftp:me@backup:/srv"], 2, 2, 0],
    [["sftp:me@backup.example.com:/srv"], 2, 2, 1],
    [["sftp://nas.local:22//srv"], 2, 2, 0],
    [["sftp:me@[fd00::1]:/srv"], 2, 2, 0],
    [["sftp:me@[2001:db8::1]:/srv"], 2, 2, 1],
  ] as const) {
    assert.deepEqual(copyPlaces(locations), { copies, kinds, elsewhere }, locations.join());
  }
});
