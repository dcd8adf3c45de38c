import assert from "node:assert/strict";
import { test } from "node:test";
import { TableModel } from "../../../test/support/table-model.ts";
import { withTableStore } from "../../../test/support/table-store.ts";
import { sqliteEngine } from "../../database/sqlite/sqlite.ts";
import type { BlobReader } from "../../repository/repository.ts";
import type { Id } from "../../format/tree.ts";
import { columnSigns } from "../../lib/row-signature.ts";
import { pointRecords } from "../records/point-records.ts";
import { relationsOf } from "../records/relations.ts";
import { tableSizes } from "../tables/table-sizes.ts";
import { verifyTable } from "../tables/verify-table.ts";
import { searchTable } from "./search-table.ts";
import { textQuery } from "./text-query.ts";

const table = {
  schema: "main",
  name: "invoice",
  columns: [
    { name: "id", type: "INTEGER", nullable: false },
    { name: "party", type: "INTEGER", nullable: false },
    { name: "note", type: "TEXT", nullable: true },
  ],
  keyLength: 1,
  foreignKeys: [{ columns: ["party"], table: "party", referenced: ["id"] }],
  fingerprint: "invoice-1",
};
const party = { ...table, name: "party", foreignKeys: [], fingerprint: "party-1" };
const sizes = { ...tableSizes, chunkMin: 2 << 10, chunkMax: 16 << 10, part: 400 << 10 };
const signs = Uint8Array.of(columnSigns.nothing, columnSigns.mixed, columnSigns.mixed);

function model(): TableModel {
  const rows = new TableModel(table);
  for (let id = 0; id < 12_000; id++) put(rows, id, id % 900, `Rechnung ${id} für Kunde ${(id * 7919) % 10_007}`);
  return rows;
}

function put(rows: TableModel, id: number, owner: number, note: string): void {
  rows.rows.set(`i${id}`, `i${id}\ti${owner}\t"${Buffer.from(note, "utf8").toString("latin1")}"`);
}

/** Blobs of the index of a table's base. */
async function indexPieces(reader: BlobReader, tree: Id, signal: AbortSignal): Promise<ReadonlySet<Id>> {
  return new Set(await searchOf(reader, tree, "base", signal));
}

/** Blobs of the indexes in the folders of a table's base or runs, in order. */
async function searchOf(
  reader: BlobReader,
  tree: Id,
  of: "base" | "runs",
  signal: AbortSignal,
): Promise<readonly Id[]> {
  const folders = (await reader.loadTree(tree, signal)).nodes.find(({ name }) => name === of)?.subtree ?? "";
  const pieces: Id[] = [];
  for (const { subtree = "" } of (await reader.loadTree(folders, signal)).nodes) {
    const search = (await reader.loadTree(subtree, signal)).nodes.find(({ name }) => name === "search");
    pieces.push(...(search?.content ?? []));
  }
  return pieces;
}

/** Reads these blobs otherwise than they are stored. */
function tampered(reader: BlobReader, ids: ReadonlySet<Id>, change: (bytes: Buffer, id: Id) => Buffer): BlobReader {
  return {
    has: (type, id) => reader.has(type, id),
    size: (type, id) => reader.size(type, id),
    load: async (type, id, during) => {
      const bytes = await reader.load(type, id, during);
      return ids.has(id) ? change(bytes, id) : bytes;
    },
    loadTree: (id, during) => reader.loadTree(id, during),
    openTree: (id, during) => reader.openTree(id, during),
  };
}

test("a search reads the chunks that may have it, in base and runs, and finds what a look at every row finds", async () => {
  await withTableStore(async ({ capture, open, loaded, signal }) => {
    const rows = model();
    put(rows, 7000, 12, "张伟有限公司 Bestellung");
    put(rows, 7001, 12, "gone soon 王芳");
    const first = await capture({ reader: rows.reader(), kind: "full", sizes, signs });
    put(rows, 7001, 12, "now another");
    put(rows, 15, 901, "王芳 in a run");
    const second = await capture({ reader: rows.reader(), kind: "incremental", parent: first.tree, sizes, signs });
    const plain = await capture({ reader: rows.reader(), kind: "full", sizes });

    const look = async (tree: Id, text: string) => {
      const stored = await open(tree, table);
      loaded.length = 0;
      const found = await Array.fromAsync(searchTable(stored, textQuery(text), sqliteEngine, signal));
      return { keys: found.map(({ row }) => row.key), blobs: new Set(loaded).size };
    };
    const all = (await look(plain.tree, "张伟")).blobs;
    assert.ok(all > 50, `${all}`);
    for (const text of [
      "张伟",
      "伟有限",
      "BESTELLUNG",
      "Rechnung 11999",
      "王芳",
      "now another",
      "gone soon",
      "nobody",
      "9",
    ]) {
      const indexed = await look(second.tree, text);
      assert.deepEqual(indexed.keys, (await look(plain.tree, text)).keys, text);
      if (text.length > 1) assert.ok(indexed.blobs < all / 2, `${text}: ${indexed.blobs} of ${all}`);
    }
    assert.deepEqual((await look(first.tree, "王芳")).keys, ["i7001"]);
    assert.deepEqual((await look(second.tree, "王芳")).keys, ["i15"]);
  });
});

test("rows that name a record are found without reading all of them", async () => {
  await withTableStore(async ({ capture, open, loaded, signal }) => {
    const rows = new TableModel(table);
    for (let id = 0; id < 12_000; id++) put(rows, id, Math.floor(id / 13), `Rechnung ${id}`);
    const { tree } = await capture({ reader: rows.reader(), kind: "full", sizes, signs });
    const stored = { ...(await open(tree, table)), countRows: async () => 12_000 };
    const source = { schema: { tables: [table, party] }, open: async () => stored };
    const relations = relationsOf([table, party]);
    loaded.length = 0;
    const row = { table: party, line: "i77", fields: ["i77"], key: "i77" };
    const found = await pointRecords(source, sqliteEngine, signal).naming(relations.to(party), [row]);
    assert.deepEqual(
      found.map((one) => one.row.key),
      Array.from({ length: 13 }, (_, at) => `i${1001 + at}`),
    );
    assert.ok(new Set(loaded).size < 20, `${new Set(loaded).size}`);
  });
});

test("a changed row changes a piece of the index, and an unchanged base none", async () => {
  await withTableStore(async ({ capture, upload, signal }) => {
    const rows = model();
    const first = await capture({ reader: rows.reader(), kind: "full", sizes, signs });
    const before = await indexPieces(upload, first.tree, signal);
    const again = await capture({ reader: rows.reader(), kind: "full", parent: first.tree, sizes, signs });
    assert.equal(again.base, first.base);
    assert.equal(again.storedBytes, 0);
    put(rows, 5, 5, "changed");
    const changed = await capture({ reader: rows.reader(), kind: "full", parent: first.tree, sizes, signs });
    assert.ok(changed.storedBytes < first.storedBytes / 2, `${changed.storedBytes} of ${first.storedBytes}`);
    const after = await indexPieces(upload, changed.tree, signal);
    assert.ok(before.size > 2, `${before.size} pieces`);
    assert.equal([...after].filter((id) => !before.has(id)).length, 1);
    assert.ok(upload.has("tree", changed.base));
  });
});

test("an index that is lost, damaged or of something else is not believed", async () => {
  await withTableStore(async ({ capture, open, blobs, upload, signal }) => {
    const rows = model();
    put(rows, 7000, 12, "张伟有限公司");
    const { tree } = await capture({ reader: rows.reader(), kind: "full", sizes, signs });
    const pieces = await indexPieces(upload, tree, signal);
    assert.ok(pieces.size > 1);
    const broken: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
      shorter: (bytes) => bytes.subarray(0, -1),
      empty: () => Buffer.alloc(0),
      "another heading": (bytes) => (bytes.length < 100 ? Buffer.from("holdfast search 2\t013\n") : bytes),
    };
    for (const [name, change] of Object.entries(broken)) {
      const stored = await open(tree, table, tampered(blobs, pieces, change));
      const found = await Array.fromAsync(searchTable(stored, textQuery("张伟"), sqliteEngine, signal));
      assert.deepEqual(
        found.map(({ row }) => row.key),
        ["i7000"],
        name,
      );
    }
  });
});

test("a signature that is not that of its rows is found, in base and runs; what hides nothing is no problem", async () => {
  await withTableStore(async ({ capture, open, blobs, signal }) => {
    const rows = model();
    const first = await capture({ reader: rows.reader(), kind: "full", sizes, signs });
    for (let id = 0; id < 12_000; id += 7) put(rows, id, 12, `changed ${id}`);
    const { tree } = await capture({
      reader: rows.reader(),
      kind: "incremental",
      parent: first.tree,
      sizes: { ...sizes, foldAbove: 16 << 20 },
      signs,
    });
    const run = await searchOf(blobs, tree, "runs", signal);
    const base = await searchOf(blobs, tree, "base", signal);
    const look = async (ids: readonly Id[], change: (bytes: Buffer, id: Id) => Buffer) =>
      verifyTable(await open(tree, table, tampered(blobs, new Set(ids), change)), signs, signal);
    const problem = (wrong: number, chunks: number) => [
      { code: "table-search", detail: `main.invoice: ${wrong}/${chunks}` },
    ];

    assert.deepEqual(await look([], (bytes) => bytes), []);
    const [sound] = await look([...base, ...run], (bytes) => (bytes.length < 100 ? heading("022", bytes) : bytes));
    const chunks = Number(sound?.detail.split("/")[1]);
    assert.ok(chunks > base.length + run.length, `${chunks}`);
    // Texts that nobody signed would be missed in every chunk.
    assert.deepEqual(sound && [sound], problem(chunks, chunks));
    for (const pieces of [base, run]) {
      const [, piece] = pieces;
      assert.ok(piece);
      assert.deepEqual(await look([piece], withoutOneBit), problem(1, chunks));
    }
    // Nobody believes a file of another length, so it hides nothing.
    const [, piece = ""] = base;
    assert.deepEqual(await look([piece], (bytes) => bytes.subarray(0, -1)), []);
  });
});

function heading(digits: string, bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString("latin1").replace(/[0-3]+\n$/, `${digits}\n`), "latin1");
}

/** The last signature of the piece with a bit fewer: rows that have it are passed over. */
function withoutOneBit(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  const at = changed.findLastIndex((byte) => byte !== 0);
  const byte = changed[at] ?? 0;
  changed[at] = byte & (byte - 1);
  return changed;
}
