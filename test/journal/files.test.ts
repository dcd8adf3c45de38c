import assert from "node:assert/strict";
import { hash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { FilesTiming } from "../../src/engine/follow-files.ts";
import { openJournalHere } from "../../src/engine/journal-reached.ts";
import { openFor } from "../../src/engine/access.ts";
import { prune } from "../../src/engine/prune.ts";
import type { WarningCode } from "../../src/lib/events.ts";
import { following, type Following } from "../support/following.ts";
import { resticOn } from "../support/restic.ts";
import { exact, limits, smallCrm, type SmallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

const quick: FilesTiming = {
  lookMs: 50,
  unwatchedMs: 50,
  sweepMs: 200,
  settleMs: 100,
  longestSettleMs: 2000,
  storeMs: 0,
  storesAtOnce: 1,
};

type Contents = Readonly<Record<string, string>>;

/** Everything below a folder: files with mode and bytes. */
function contents(folder: string): Contents {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted();
  return Object.fromEntries(
    names.map((name) => {
      const path = join(folder, name);
      const status = statSync(path);
      return [name, status.isDirectory() ? "folder" : `${status.mode} ${hash("sha256", readFileSync(path))}`];
    }),
  );
}

/** The files as a restore of that moment gives them, and what its plan says of them. */
async function filesAt(
  crm: SmallCrm,
  time: Date,
  target: string,
): Promise<{ readonly files: Contents; readonly warned: readonly WarningCode[] }> {
  const plan = await crm.plan({
    point: { kind: "moment", time },
    scope: { kind: "files", paths: ["/files/attachments"] },
    target,
    switches: exact,
  });
  await crm.apply(plan);
  const warned = plan.warnings.flatMap(({ code }) => (code.startsWith("files-") ? [code] : []));
  return { files: contents(join(target, "attachments")), warned };
}

function stored(running: Following): number {
  return running.events.filter((event) => event.type === "note" && event.code === "follow-files").length;
}

/** Waits until the journal says that the files were looked at after a moment. */
async function looked({ engine, access, run, description }: SmallCrm, time: Date): Promise<void> {
  await using repository = await openFor(engine, access, run);
  await until(async () => {
    await wait(50);
    const snapshots = await repository.snapshots(run.signal);
    const indexed = await repository.index(run.signal);
    const journal = await openJournalHere(engine, indexed, snapshots, description.name, run.signal);
    const to = journal?.files.spans.at(-1)?.to;
    return to !== undefined && Date.parse(to) > time.getTime();
  });
}

test("files that were made, changed, replaced, renamed and deleted between two backups are as they were at each moment", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const at = (...names: string[]) => join(crm.attachments, ...names);
  // What is written by another name is not told to whoever watches the folder.
  const elsewhere = join(folder.path, "elsewhere.bin");
  linkSync(at("logo.bin"), elsewhere);
  await using running = following(crm, { filesTiming: quick });
  await running.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  await looked(crm, new Date());
  const states: { readonly time: Date; readonly files: Contents; readonly what: string }[] = [];
  /** `at-once`: the moment is the change's own, before anybody looked. What is gone counts from when that was seen. */
  const step = async (what: string, counts: "at-once" | "when-seen", change: () => void): Promise<void> => {
    const before = stored(running);
    change();
    // The file system's clock has ticks of some milliseconds.
    await wait(20);
    const atOnce = { time: new Date(), files: contents(crm.attachments), what };
    await until(() => stored(running) > before);
    states.push(counts === "at-once" ? atOnce : { ...atOnce, time: new Date() });
  };
  /** What is new up to two seconds after a moment counts for it: the row that names it may have been first. */
  const beyondRowFirst = async (): Promise<void> => {
    const sinceMs = Date.now() - (states.at(-1)?.time.getTime() ?? 0);
    await wait(Math.max(20, 2100 - sinceMs));
  };
  await step("new", "at-once", () => {
    mkdirSync(at("2027", "01"), { recursive: true });
    writeFileSync(at("2027", "01", "发票.pdf"), "invoice\n");
    writeFileSync(at("2027", "large.bin"), Buffer.alloc(3_000_000, "large"));
  });
  await step("changed", "at-once", () => appendFileSync(elsewhere, "more"));
  await step("replaced", "at-once", () => {
    writeFileSync(at("2027", "01", "发票.tmp"), "corrected\n");
    renameSync(at("2027", "01", "发票.tmp"), at("2027", "01", "发票.pdf"));
    chmodSync(at("logo.bin"), 0o600);
  });
  await beyondRowFirst();
  await step("renamed", "when-seen", () => {
    renameSync(at("logo.bin"), at("brand.bin"));
    renameSync(at("2027"), at("2028"));
  });
  await step("deleted", "when-seen", () => {
    rmSync(at("2028"), { recursive: true });
    rmSync(at("brand.bin"));
  });
  await beyondRowFirst();
  await step("made again", "at-once", () => {
    mkdirSync(at("2028"));
    writeFileSync(at("2028", "again.txt"), "again\n");
    writeFileSync(at("brand.bin"), "brand\n");
  });
  await beyondRowFirst();
  const rowFirst = new Date();
  writeFileSync(at("row-first.txt"), "its row was there before\n");
  await looked(crm, new Date());
  states.push({ time: rowFirst, files: contents(crm.attachments), what: "row first" });
  await running.durable(new Date().toISOString());
  await running.end();
  const compare = async (round: string): Promise<void> => {
    for (const { time, files, what } of states) {
      const found = await filesAt(crm, time, join(folder.path, `${round} ${what}`));
      assert.deepEqual(found, { files, warned: [] }, `${round}: ${what}`);
    }
  };
  await compare("first");
  const restic = resticOn(crm.access.location, crm.access.password);
  await restic.output("prune", "--max-unused", "0");
  const pruning = {
    mode: "apply",
    keepMarkedMs: 0,
    waitMs: 0,
    maxRepackBytes: Infinity,
    maxUnused: { bytes: 0 },
  } as const;
  await prune(crm.engine, { repository: crm.access, limits, ...pruning }, crm.run);
  await restic.check();
  await compare("pruned");
});

test("uploads here and there are stored at once, and many of them at the rate that keeps snapshots few", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const rate = { storeMs: 3_600_000, storesAtOnce: 2 };
  await using running = following(crm, { filesTiming: { ...quick, ...rate } });
  await running.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  await looked(crm, new Date());
  for (const number of [1, 2, 3]) {
    writeFileSync(join(crm.attachments, `upload-${number}.txt`), "uploaded\n");
    if (number <= rate.storesAtOnce) await until(() => stored(running) === number);
  }
  await wait(1500);
  assert.equal(stored(running), rate.storesAtOnce);
  await running.end();
  // The next one begins with a share of its own, and finds what waited.
  await using again = following(crm, { filesTiming: { ...quick, ...rate } });
  await until(() => stored(again) === 1);
});

test("a folder that cannot be read is no folder whose files were deleted: that is told, and a plan says what nobody saw", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  // Nothing but what is told of the folders wakes it.
  await using running = following(crm, { filesTiming: { ...quick, sweepMs: 3_600_000 } });
  await running.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  await looked(crm, new Date(0));
  const away = join(crm.folder, "away");
  const gaps = (): number =>
    running.events.filter((event) => event.type === "note" && event.code === "follow-files-gap").length;
  renameSync(crm.attachments, away);
  await until(() => gaps() === 1);
  const unread = { time: new Date(), files: contents(away) };
  await wait(20);
  appendFileSync(join(away, "logo.bin"), "changed while nobody looked");
  rmSync(join(away, "2026", "合同.txt"));
  renameSync(away, crm.attachments);
  await running.event((event) => event.type === "note" && event.code === "follow-files");
  // One more look follows, and then none: later than that nobody knows of the files, until something happens.
  const back = { time: new Date(), files: contents(crm.attachments) };
  await looked(crm, back.time);
  renameSync(crm.attachments, away);
  await until(() => gaps() === 2);
  await wait(20);
  const lost = { time: new Date(), files: contents(away) };
  await running.durable(lost.time.toISOString());
  await running.end();
  const at = async (time: Date, target: string) => await filesAt(crm, time, join(folder.path, target));
  assert.deepEqual(await at(unread.time, "unread"), { files: unread.files, warned: ["files-unseen"] });
  assert.deepEqual(await at(back.time, "back"), { files: back.files, warned: [] });
  assert.deepEqual(await at(lost.time, "lost"), { files: lost.files, warned: ["files-behind"] });
  const alone = await crm.plan({ point: { kind: "moment", time: lost.time }, scope: { kind: "database" } });
  assert.ok(
    !alone.warnings.some(({ code }) => code.startsWith("files-")),
    "whoever wants the database alone is told nothing of files",
  );
});

test("a folder that a backup lacks is a gap beside it, until it is there and the backup that is asked for has it", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const away = join(crm.folder, "away");
  renameSync(crm.attachments, away);
  const backup = async (): Promise<unknown> => crm.backup();
  await using running = following(crm, { filesTiming: quick, backup, backupPauseMs: 100 });
  const gap = await running.event((event) => event.type === "note" && event.code === "follow-files-gap");
  assert.ok(gap.type === "note" && gap.facts["path"] === crm.attachments && gap.facts["reason"] === "ENOENT");
  assert.ok(!running.events.some((event) => event.type === "note" && event.code === "follow-files-seen"));
  renameSync(away, crm.attachments);
  await running.event((event) => event.type === "note" && event.code === "follow-files-seen");
  appendFileSync(join(crm.attachments, "logo.bin"), "followed");
  await until(() => stored(running) === 1);
});

test("a folder that no backup can read is not asked for for ever", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  rmSync(crm.attachments, { recursive: true });
  writeFileSync(crm.attachments, "no folder");
  let made = 0;
  const backup = async (): Promise<unknown> => {
    made++;
    return crm.backup();
  };
  await using running = following(crm, { filesTiming: quick, backup, backupPauseMs: 50 });
  await until(() => made >= 2);
  await running.event((event) => event.type === "note" && event.code === "follow-files-gap");
  // One may have begun before it was seen that the second lacks it too.
  await wait(1500);
  const settled = made;
  await wait(1500);
  assert.equal(made, settled);
});
