import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { largeTemporaryFolder } from "./large-temporary.ts";

test("large files go where TMPDIR says, and else to a disk rather than to /tmp", () => {
  assert.equal(largeTemporaryFolder({ TMPDIR: "/srv/tmp" }), "/srv/tmp");
  assert.ok(["/var/tmp", tmpdir()].includes(largeTemporaryFolder({})));
  assert.equal(largeTemporaryFolder({ TMPDIR: "" }), largeTemporaryFolder({}));
});
