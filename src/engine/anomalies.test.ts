import assert from "node:assert/strict";
import { test } from "node:test";
import { findAnomalies, type Observed, pastAtLeast } from "./anomalies.ts";

const files = { files: 1000, newFiles: 2, changedFiles: 3, removedFiles: 1, incompressibleFiles: 1 };
const change = (part: Partial<Observed["changes"][number]>) => ({
  table: "contact",
  rows: 1000,
  rowsBefore: 1000,
  created: 0,
  updated: 0,
  deleted: 0,
  ...part,
});
const quiet: Observed = {
  changes: [change({ created: 5, updated: 30, deleted: 4 })],
  rowBytes: 5e6,
  files,
  uncovered: [],
};
const past = Array.from({ length: pastAtLeast }, () => quiet);
const kinds = (now: Partial<Observed>, before = past) =>
  findAnomalies({ ...quiet, ...now }, before).map(({ kind }) => kind);

test("an ordinary day is no anomaly, nor is three times as much", () => {
  assert.deepEqual(kinds({}), []);
  assert.deepEqual(kinds({ changes: [change({ updated: 90 })] }), []);
  assert.deepEqual(kinds({ changes: [change({ deleted: 99 })] }), [], "less than a tenth");
});

test("rows deleted, changed and made in bulk", () => {
  assert.deepEqual(kinds({ changes: [change({ deleted: 100, rows: 900 })] }), ["mass-delete"]);
  assert.deepEqual(kinds({ changes: [change({ updated: 500 })] }), ["mass-update"]);
  assert.deepEqual(kinds({ changes: [change({ created: 600, rows: 1600 })] }), ["mass-create"]);
  // Where a nightly job deletes as many each time, that is how it is.
  const busy = past.map((one) => ({ ...one, changes: [change({ deleted: 90 })] }));
  assert.deepEqual(kinds({ changes: [change({ deleted: 200 })] }, busy), []);
});

test("says nothing where the past is thin, but for what is drastic", () => {
  assert.deepEqual(kinds({ changes: [change({ deleted: 300 })] }, [quiet]), []);
  assert.deepEqual(kinds({ changes: [change({ deleted: 600 })] }, [quiet]), ["mass-delete"]);
  assert.deepEqual(kinds({ changes: [change({ deleted: 15, rowsBefore: 15 })] }, [quiet]), [], "too few to speak of");
});

test("a table that changes its shape, growth and shrinkage, what is not covered any more", () => {
  assert.deepEqual(kinds({ changes: [change({ schema: "changed" })] }), ["schema-change"]);
  assert.deepEqual(kinds({ changes: [change({ schema: "gone", deleted: 1000, rows: 0 })] }), [
    "schema-change",
    "mass-delete",
  ]);
  assert.deepEqual(kinds({ rowBytes: 9e6 }), ["growth"]);
  assert.deepEqual(kinds({ rowBytes: 3e6 }), ["shrinkage"]);
  assert.deepEqual(kinds({ uncovered: ["event: purge"] }), ["newly-uncovered"]);
});

test("files encrypted in place, or under another name", () => {
  const inPlace = { ...files, changedFiles: 700, incompressibleFiles: 690 };
  assert.deepEqual(kinds({ files: inPlace }), ["files-changed", "files-incompressible"]);
  const appended = { ending: ".locked", files: 800 };
  const renamed = { ...files, newFiles: 810, removedFiles: 805, appended };
  assert.deepEqual(kinds({ files: renamed }), ["files-removed", "files-renamed"]);
  const archive = { ...files, newFiles: 40, appended: { ending: ".gz", files: 40 } };
  assert.deepEqual(kinds({ files: archive }), [], "new files that replace none");
});
