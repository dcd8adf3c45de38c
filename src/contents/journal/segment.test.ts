import assert from "node:assert/strict";
import { test } from "node:test";
import { snapshotPoint as mysqlPoint, placeOf as mysqlPlace } from "../../database/mysql/log-position.ts";
import { placeOf, snapshotPoint } from "../../database/postgres/log-position.ts";
import { parseJournalFile } from "./journal-file.ts";
import { readSegment, readSegmentHeader } from "./segment.ts";

const damaged = { code: "repository-damaged" };
const time = "2026-03-12T14:00:00.000Z";
const badTimes = ["", "now", "2026-13-01T00:00:00Z", "2026-03-12T14:00:00+01:00", "9".repeat(40)];

test("times of a journal that are none are damage", () => {
  const bytes = (header: object, records = "") => Buffer.from(`${JSON.stringify(header)}\n${records}`, "latin1");
  const point = { position: "0".repeat(16), time };
  const header = (to: object) => ({
    ...{ holdfast: "journal", format: 1, crm: "acme", database: "main", history: "one", number: 1 },
    ...{ from: point, to, transactions: 0, rows: 0 },
  });
  const read = (records: string) => [...readSegment(bytes(header(point), records))];
  assert.equal(readSegmentHeader(bytes(header({ ...point, seen: time })))?.to.seen, time);
  assert.equal(read(`B\t7\t${time}\nC\t0\t${time}\n`).length, 2);
  for (const bad of badTimes) {
    assert.throws(() => readSegmentHeader(bytes(header({ ...point, time: bad }))), damaged, bad);
    assert.throws(() => readSegmentHeader(bytes(header({ ...point, seen: bad }))), damaged, bad);
    assert.throws(() => read(`B\t7\t${bad}\n`), damaged, bad);
    assert.throws(() => read(`C\t0\t${bad}\n`), damaged, bad);
    const span = { history: "one", first: 1, from: { ...point, time: bad }, to: point, anew: "begun", gaps: [] };
    const databases = [{ name: "main", spans: [span], outside: [] }];
    const json = JSON.stringify({ format: 1, crm: "acme", databases, program: "test" });
    assert.throws(() => parseJournalFile(json), damaged, bad);
  }
});

test("places and transactions of a journal that no log has are damage", () => {
  const position = { lsn: "0/1", system: "7", timeline: "1", snapshot: "10:20:12", time };
  const backup = snapshotPoint(JSON.stringify(position));
  assert.ok(backup && mysqlPoint(`file=log.000001 position=4 server=1 time=${time}`));
  const holds = (transaction: string) => backup.holds({ transaction, position: "0" });
  assert.deepEqual(["9", "12", "11", "20", ""].map(holds), [true, false, true, false, true]);
  for (const bad of ["x", "1.5", "-1", "0x1", "1\n", "9".repeat(1e6)]) {
    assert.throws(() => holds(bad), damaged, bad.slice(0, 9));
    assert.throws(() => placeOf(bad), damaged, bad.slice(0, 9));
    assert.throws(() => mysqlPlace(bad, "log 1"), damaged, bad.slice(0, 9));
  }
});
