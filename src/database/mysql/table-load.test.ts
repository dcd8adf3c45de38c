import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { RowBatch } from "../database.ts";
import { type Piece, pieceBytes, TableLoad } from "./table-load.ts";

const table = { schema: "", name: "t", columns: [], keyLength: 0, foreignKeys: [], fingerprint: "" };
const megabyte = Buffer.alloc(1 << 20, "x\n");

/** A table of so many megabytes. */
function rowsOf(megabytes: number): TableLoad {
  const batches = async function* (): AsyncGenerator<RowBatch> {
    for (let count = 0; count < megabytes; count++) yield { lines: megabyte, rows: megabyte.length / 2 };
  };
  return new TableLoad({ table, batches: batches() });
}

async function bytesOf({ lines, rows }: Piece): Promise<number> {
  let bytes = 0;
  for await (const one of lines) bytes += one.length;
  assert.equal(rows(), bytes / 2);
  return bytes;
}

const nothing = async () => {};

test("while a piece is loaded by one session, another one loads the next, and the end comes after both", async () => {
  const load = rowsOf(20);
  const [begun, ended] = [new Set<string>(), Promise.withResolvers<void>()];
  const told: string[] = [];
  const loading = (who: string) => async (piece: Piece) => {
    told.push(`${who} ${(await bytesOf(piece)) >> 20}`);
    begun.add(who);
    if (begun.size === 2) ended.resolve();
    await ended.promise; // neither is done before the other one has a piece
  };
  const owner = load.all(loading("owner"), nothing, async () => void told.push("end"));
  assert.equal(await load.prepared, "large");
  await Promise.all([owner, load.help(loading("helper"))]);
  const pieces = told.slice(0, -1);
  assert.deepEqual(
    pieces.map((one) => Number(one.split(" ")[1])).toSorted((a, b) => a - b),
    [4, 8, 8],
  );
  assert.equal(told.at(-1), "end");
  await load.filled;
  assert.equal(pieceBytes >> 20, 8);
});

test("a row in the middle is known by the first field of its line, once there are several pieces", async () => {
  for (const [pieces, middle] of [
    [1, undefined],
    [2, "é8"],
    [5, "é16"],
  ] as const) {
    const lent = Buffer.alloc(1 << 20);
    const batches = async function* (): AsyncGenerator<RowBatch> {
      for (let count = 0; count < pieces * 8; count++) {
        lent.fill("\n").write(`é${count}\tx\ty`);
        yield { lines: lent, rows: lent.length };
      }
    };
    const load = new TableLoad({ table, batches: batches() });
    const read = async ({ lines }: Piece) => {
      for await (const _ of lines);
    };
    await load.all(read, nothing, nothing);
    assert.equal(load.middle && Buffer.from(load.middle, "latin1").toString(), middle);
  }
});

test("who waits until a table is filled goes on while its end is made, and whatever became of it", async () => {
  const load = rowsOf(2);
  const made = Promise.withResolvers<void>();
  const owner = load.all(
    async (piece) => void (await bytesOf(piece)),
    nothing,
    () => made.promise,
  );
  await load.filled;
  made.resolve();
  await owner;

  const refused = rowsOf(2);
  const refusal = assert.rejects(
    refused.all(async () => assert.fail("refused"), nothing, nothing),
    /refused/,
  );
  await refused.filled;
  await refusal;
});

test("a small table needs neither help nor preparation, an empty one nothing at all", async () => {
  for (const [megabytes, pieces] of [
    [0.1, 1],
    [0, 0],
  ] as const) {
    const batch = { lines: Buffer.from("1\n"), rows: 1 };
    const batches = async function* (): AsyncGenerator<RowBatch> {
      yield { lines: Buffer.alloc(0), rows: 0 };
      if (megabytes > 0) yield batch;
    };
    const load = new TableLoad({ table, batches: batches() });
    let loaded = 0;
    const unasked = async () => assert.fail("nobody asked for it");
    await load.all(
      async (piece) => {
        loaded++;
        await bytesOf(piece);
      },
      unasked,
      unasked,
    );
    assert.equal(loaded, pieces);
    assert.equal(await load.prepared, "small");
  }
});

test("a piece that fails, read or not, leaves nobody waiting, and no other is begun", async () => {
  for (const read of ["first", "never"] as const) {
    const load = rowsOf(40);
    let others = 0;
    const owner = load.all(
      async (piece) => {
        if (read === "first") await piece.lines[Symbol.asyncIterator]().next();
        await turn();
        throw new Error("refused");
      },
      nothing,
      async () => assert.fail("it is not whole"),
    );
    const refused = assert.rejects(owner, /refused/);
    await load.prepared;
    await load.help(async (piece) => {
      others++;
      await bytesOf(piece);
    });
    await refused;
    assert.ok(others <= 1, String(others));
  }
});

test("what goes wrong with the rows is told to who reads them, and ends the table", async () => {
  const batches = async function* (): AsyncGenerator<RowBatch> {
    yield { lines: megabyte, rows: 1 };
    throw new Error("damaged");
  };
  const load = new TableLoad({ table, batches: batches() });
  const failing = load.all(
    async ({ lines }) => void (await Array.fromAsync(lines)),
    nothing,
    async () => assert.fail("it is not whole"),
  );
  await assert.rejects(failing, /damaged/);
  await load.help(async () => assert.fail("nothing is left"));
});
