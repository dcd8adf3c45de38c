import assert from "node:assert/strict";
import { appendFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openLook } from "../../src/contents/journal/file-look.ts";
import { JournalWriter } from "../../src/contents/journal/journal-writer.ts";
import { journalsOf, readJournalSnapshot } from "../../src/contents/journal/open-journal.ts";
import { virtualFile, virtualFolder } from "../../src/contents/tables/virtual-nodes.ts";
import { openFor } from "../../src/engine/access.ts";
import { filesTiming } from "../../src/engine/follow-files.ts";
import type { Id, TreeNode } from "../../src/format/tree.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import type { Upload } from "../../src/repository/repository.ts";
import { craftedNode } from "../support/crafted-repository.ts";
import { following } from "../support/following.ts";
import { limits, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const quick = { ...filesTiming, lookMs: 50, unwatchedMs: 50, sweepMs: 200, settleMs: 100, storeMs: 0 };
const time = "2026-03-12T14:00:05.000Z";
const good = { format: 1, began: time, ended: time, gone: [{ folder: "attachments", path: "2026/a.txt" }] };
const gone = (path: unknown): object => ({ ...good, gone: [{ folder: "attachments", path }] });

/** What stands in `look.json`, and what of it is named as damaged. */
const badLooks: readonly (readonly [unknown, RegExp])[] = [
  ["{", /look\.json JSON/],
  ["[]", /look\.json object/],
  [{ ...good, format: 2 }, /format choice/],
  [{ ...good, began: 5 }, /began time/],
  [{ ...good, ended: "yesterday" }, /ended time/],
  [{ ...good, ended: "2026-03-12T14:00:05+08:00" }, /ended time/],
  [{ ...good, gone: {} }, /gone list/],
  [{ ...good, gone: ["a"] }, /gone\[0\] object/],
  [{ ...good, gone: [{ folder: 1, path: "a" }] }, /folder text/],
  [gone("../../../etc/passwd"), /path path/],
  [gone("/etc/passwd"), /path path/],
  [gone("a/../b"), /path path/],
  [gone("a/./b"), /path path/],
  [gone("a//b"), /path path/],
  [gone(""), /path path/],
  [gone("a\0b"), /path path/],
  [gone("合同"), /path path/],
  [gone(7), /path text/],
  [gone("a/".repeat(100_000) + "a"), /path path/],
];

async function lookTree(upload: Upload, content: unknown, files?: Id): Promise<Id> {
  const json = Buffer.from(typeof content === "string" ? content : JSON.stringify(content));
  const { length } = json;
  const nodes: TreeNode[] = [virtualFile("look.json", await upload.bytes(json, "hot"), length, time)];
  if (files !== undefined) nodes.unshift(virtualFolder("files", files, time));
  return upload.tree({ nodes });
}

/** A tree as it is written here, whatever the format says of it. */
async function craftedTree(upload: Upload, ...nodes: readonly object[]): Promise<Id> {
  return (await upload.blob("tree", Buffer.from(`${JSON.stringify({ nodes })}\n`), "hot")).id;
}

/** Does it with the repository open for writing. */
async function writing(crm: SmallCrm, work: (upload: Upload) => Promise<void>): Promise<void> {
  const { engine, access, run } = crm;
  await using repository = await openFor(engine, access, run);
  await using lock = await repository.lock("shared", { signal: run.signal, now: run.now, waitMs: 0 });
  const indexed = await repository.index(run.signal);
  await using upload = await indexed.upload({ signal: run.signal, lock, limits });
  await work(upload);
}

test("what a repository says of files that were seen is believed only as far as it makes sense", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { signal } = crm.run;
  await writing(crm, async (upload) => {
    assert.equal((await openLook(upload, await lookTree(upload, good), signal)).gone.length, 1);
    for (const [content, what] of badLooks) {
      const tree = await lookTree(upload, content);
      await assert.rejects(openLook(upload, tree, signal), (error) => {
        assert.ok(isHoldfastError(error, "repository-damaged"), String(error));
        assert.match(`${String(error.facts["subject"])} ${String(error.facts["detail"])}`, what);
        return true;
      });
    }
    // More than fits into memory, by naming the same over and over.
    const [id] = await upload.bytes(Buffer.alloc(1 << 19, " "), "hot");
    const huge = virtualFile("look.json", new Array<Id>(600).fill(id ?? ""), 10, time);
    await assert.rejects(openLook(upload, await upload.tree({ nodes: [huge] }), signal), /damaged/);
    await assert.rejects(openLook(upload, await craftedTree(upload), signal), /damaged/);
  });
});

test("hostile names in a look are damage: no plan is made of them, and nothing is written anywhere", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const { engine, access, run, description } = crm;
  {
    await using running = following(crm, { filesTiming: quick });
    await running.event((event) => event.type === "note" && event.code === "follow-gap");
    await crm.backup();
    await running.event((event) => event.type === "note" && event.code === "follow-files-seen");
    appendFileSync(join(crm.attachments, "logo.bin"), "more");
    await running.event((event) => event.type === "note" && event.code === "follow-files");
    const moment = new Date().toISOString();
    crm.sql("UPDATE contact SET name = 'later' WHERE id = 1");
    await running.durable(moment);
    await running.end();
  }
  const moment = new Date();
  await using repository = await openFor(engine, access, run);
  const newest = journalsOf(await repository.snapshots(run.signal), description.name).at(-1);
  assert.ok(newest);
  const known = await readJournalSnapshot(await repository.index(run.signal), newest, run.signal);
  /** The journal as it is with one more look, of right now. */
  const publish = async (look: (upload: Upload, ended: string) => Promise<Id>): Promise<void> =>
    writing(crm, async (upload) => {
      const ended = new Date().toISOString();
      const looks = [{ tree: await look(upload, ended), ended }];
      const writer = new JournalWriter(description.name, "hostile", known);
      for (const { name, spans, head } of known.databases) {
        const last = spans.at(-1)?.to;
        if (last) writer.reached(name, { ...last, time: ended }, head?.id);
      }
      await writer.publish(
        upload,
        { about: engine.host, time: ended, oldest: "2026-01-01", looks, looked: [] },
        run.signal,
      );
    });
  const seen = (ended: string, paths: readonly string[]) => ({
    ...good,
    began: ended,
    ended,
    gone: paths.map((path) => ({ folder: "attachments", path })),
  });
  const target = join(folder.path, "new", "target");
  const plan = () =>
    crm.plan({
      point: { kind: "moment", time: moment },
      scope: { kind: "files", paths: ["/files/attachments"] },
      target,
    });
  const outside = () =>
    readdirSync(folder.path, { recursive: true, encoding: "utf8" }).filter((name) => !/^(?:backups|state)/.test(name));

  await publish((upload, ended) => lookTree(upload, seen(ended, [])));
  assert.ok((await plan()).counts.create > 0, "a look that says nothing is none that is refused");
  const before = outside();
  await publish((upload, ended) => lookTree(upload, seen(ended, ["../../crm.db"])));
  await assert.rejects(plan(), /repository-damaged/);
  for (const name of ["..", "../evil", "/evil", "a/b", ""]) {
    await publish(async (upload, ended) => {
      const inside = await craftedTree(upload, craftedNode(name, "file", { size: 0 }));
      const files = await craftedTree(upload, craftedNode("attachments", "dir", { subtree: inside }));
      return lookTree(upload, seen(ended, []), files);
    });
    await assert.rejects(plan(), /repository-damaged/, name);
  }
  assert.deepEqual(outside(), before);
});
