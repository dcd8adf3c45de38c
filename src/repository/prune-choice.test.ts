import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import type { Id } from "../format/tree.ts";
import { BlobIndex } from "./blob-index.ts";
import { choosePacks } from "./prune-choice.ts";
import { SharedBits } from "./shared-bits.ts";
import type { IndexedPackRecord, IndexState } from "./verify-index.ts";

const idOf = (what: string): Id => createHash("sha256").update(what).digest("hex");

const blob = fc.record({ number: fc.nat(30), length: fc.integer({ min: 100, max: 10_000 }) });
const packs = fc.array(
  fc.record({
    type: fc.constantFrom("data" as const, "tree" as const),
    blobs: fc.array(blob, { minLength: 1, maxLength: 12 }),
    there: fc.constantFrom("whole", "whole", "whole", "missing"),
    awaited: fc.constantFrom("no", "no", "no", "yes"),
  }),
  { maxLength: 25 },
);

test("each needed blob is kept once, in a pack that is there and stays or is written anew", () => {
  fc.assert(
    fc.property(
      packs,
      fc.subarray(Array.from({ length: 31 }, (_, number) => number)),
      fc.nat(20_000),
      fc.nat(60_000),
      (list, needed, waste, most) => {
        const index = new BlobIndex(BlobIndex.forIndexBytes(0).shared);
        const records: IndexedPackRecord[] = [];
        const sizes = new Map<Id, number>();
        for (const [number, { type, blobs, there }] of list.entries()) {
          const record = { id: idOf(`pack ${number}`), first: index.count, blobs: blobs.length, size: 0 };
          for (const { number: one, length } of blobs) {
            index.add(type, idOf(`blob ${one}`), number, record.size, length, length);
            record.size += length;
          }
          records.push(record);
          if (there === "whole") sizes.set(record.id, record.size);
        }
        const state: IndexState = { index, packs: records, files: [], unreadable: [], doubtful: new Set() };
        const used = new SharedBits(index.count);
        const firsts = new Map<string, number>();
        for (let entry = 0; entry < index.count; entry++) {
          const type = index.type(entry);
          const number = needed.find((one) => idOf(`blob ${one}`) === index.id(entry));
          if (number === undefined) continue;
          const first = index.find(type, index.id(entry));
          used.add(first);
          firsts.set(`${type} ${number}`, first);
        }
        const walked = { used, trees: 0, problems: [], problemCount: 0 };
        const awaited = new Set(list.flatMap((pack, number) => (pack.awaited === "yes" ? idOf(`pack ${number}`) : [])));
        const bounds = { maxUnused: { bytes: waste }, maxRepackBytes: most };
        const choice = choosePacks(state, walked, sizes, bounds, { cold: new Set(), awaited });

        const keptFirsts: number[] = [];
        for (let entry = 0; entry < index.count; entry++) {
          if (!choice.kept.has(entry)) continue;
          keptFirsts.push(index.first(entry));
          const pack = index.location(entry)?.pack ?? -1;
          assert.notEqual(choice.fates[pack], "drop");
          const id = records[pack]?.id ?? "";
          assert.ok(sizes.has(id) || choice.lost.includes(id));
        }
        // Where all copies are gone, `lost` says so, and nothing is pruned.
        if (choice.lost.length === 0)
          assert.deepEqual(
            keptFirsts.toSorted((a, b) => a - b),
            [...firsts.values()].toSorted((a, b) => a - b),
          );
        const repacked = records.filter((_, pack) => choice.fates[pack] === "repack");
        assert.ok(repacked.reduce((sum, { size }) => sum + size, 0) <= most);
        for (const [pack, fate] of choice.fates.entries()) {
          const isAwaited = awaited.has(records[pack]?.id ?? "");
          assert.equal(fate === "drop", choice.keptBlobs[pack] === 0 && !isAwaited);
          if (isAwaited) assert.equal(fate, "keep");
        }
      },
    ),
  );
});
