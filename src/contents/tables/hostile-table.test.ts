import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { compareKeys } from "../../database/sqlite/compare-keys.ts";
import { contactTable, rules, TableModel } from "../../../test/support/table-model.ts";
import { withTableStore } from "../../../test/support/table-store.ts";
import type { Id, Tree } from "../../format/tree.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { BlobReader } from "../../repository/repository.ts";
import { openTable } from "./stored-table.ts";
import { verifyTable } from "./verify-table.ts";

/** Nothing is signed here. */
const noSigns = new Uint8Array();

/** What somebody who knows the password could have written instead: any blob may hold anything. */
function forged(reader: BlobReader, at: number, change: (bytes: Buffer) => Buffer): BlobReader {
  const seen = new Map<Id, number>();
  const bytesOf = async (id: Id, signal: AbortSignal): Promise<Buffer> => {
    if (!seen.has(id)) seen.set(id, seen.size);
    const bytes = await reader.load("data", id, signal);
    return seen.get(id) === at ? change(bytes) : bytes;
  };
  return {
    has: (type, id) => reader.has(type, id),
    size: (type, id) => reader.size(type, id),
    load: (_type, id, signal) => bytesOf(id, signal),
    loadTree: (id, signal) => reader.loadTree(id, signal),
    openTree: (id, signal) => reader.openTree(id, signal),
  };
}

const forgery = fc.oneof(
  fc.record({ how: fc.constant("byte" as const), at: fc.nat(3000), value: fc.nat(255) }),
  fc.record({ how: fc.constant("swap" as const), at: fc.nat(40), value: fc.nat(40) }),
  fc.record({ how: fc.constant("drop" as const), at: fc.nat(40), value: fc.nat(40) }),
  fc.record({ how: fc.constant("repeat" as const), at: fc.nat(40), value: fc.nat(40) }),
  fc.record({ how: fc.constant("cut" as const), at: fc.nat(3000), value: fc.nat(40) }),
);

function forge(bytes: Buffer, { how, at, value }: { how: string; at: number; value: number }): Buffer {
  if (how === "byte") {
    const copy = Buffer.from(bytes);
    copy[at % copy.length] = value;
    return copy;
  }
  if (how === "cut") return bytes.subarray(0, at % bytes.length);
  const lines = bytes.toString("latin1").split("\n");
  const [first, second] = [at % lines.length, value % lines.length];
  const line = lines[first] ?? "";
  if (how === "swap") [lines[first], lines[second]] = [lines[second] ?? "", line];
  else lines.splice(first, how === "drop" ? 1 : 0, ...(how === "drop" ? [] : [line]));
  return Buffer.from(lines.join("\n"), "latin1");
}

test("whatever a repository holds, rows come in order or not at all, and verifying tells", async () => {
  await withTableStore(async ({ capture, upload, signal, lines }) => {
    const model = new TableModel();
    for (let id = 0; id < 300; id++) model.put(id * 3, `contact ${id}`);
    const full = await capture({ reader: model.reader(), kind: "full" });
    for (let id = 0; id < 900; id += 71) model.put(id, "changed");
    for (let id = 30; id < 60; id++) model.delete(id);
    const { tree } = await capture({ reader: model.reader(), kind: "incremental", parent: full.tree });
    const honest = await lines(tree);
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(40), forgery, async (blob, made) => {
        const reader = forged(upload, blob, (bytes) => forge(bytes, made));
        try {
          const stored = await openTable(reader, tree, contactTable, rules, signal);
          const keys: string[] = [];
          const found: string[] = [];
          for await (const batch of stored.rows({}, signal)) {
            found.push(...batch.lines.toString("latin1").split("\n").slice(0, -1));
          }
          for (const line of found) keys.push(line.split("\t")[0] ?? "");
          for (let at = 1; at < keys.length; at++) assert.ok(compareKeys(keys[at - 1] ?? "", keys[at] ?? "") < 0);
          const problems = await verifyTable(stored, noSigns, signal);
          if (problems.length === 0) assert.deepEqual(found, honest);
          await stored.get("i90", signal);
          await capture({ reader: model.reader(), kind: "incremental", parent: tree, blobs: reader });
        } catch (error) {
          if (!(error instanceof HoldfastError)) throw error;
          assert.equal(error.code, "repository-damaged");
          refused++;
        }
      }),
      { numRuns: 300 },
    );
    assert.ok(refused > 50);
  });
});

test("a folder that is no table's is refused", async () => {
  await withTableStore(async ({ capture, upload, signal }) => {
    const model = new TableModel();
    for (let id = 0; id < 300; id++) model.put(id, `contact ${id}`);
    const { tree } = await capture({ reader: model.reader(), kind: "full" });
    const nodes = await upload.loadTree(tree, signal);
    const forgeries: readonly Tree[] = [
      { nodes: [] },
      { nodes: nodes.nodes.filter(({ name }) => name !== "ranges") },
      { nodes: nodes.nodes.filter(({ name }) => name !== "base") },
      { nodes: nodes.nodes.map((node) => (node.name === "base" ? { ...node, subtree: tree } : node)) },
    ];
    for (const made of forgeries) {
      const id = await upload.tree(made);
      const read = async () => {
        const stored = await openTable(upload, id, contactTable, rules, signal);
        for await (const batch of stored.rows({}, signal)) assert.ok(batch.rows > 0);
      };
      await assert.rejects(read(), /repository-damaged/);
    }
  });
});
