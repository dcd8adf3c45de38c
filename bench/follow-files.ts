import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { makeData } from "./data.ts";
import { Following } from "./follow-world.ts";
import type { Bench } from "./scenarios.ts";

const files = 30;

/**
 * From a file that somebody uploads to its place in the repository: `files` of 300 KB, four to ten seconds apart, among the files of the
 * mix, each from the end of its writing until `follow` told that it is stored and named.
 */
export async function followFilesRound(bench: Bench): Promise<void> {
  const tool = bench.tools.find(({ begin }) => begin);
  if (!tool) return;
  const live = join(bench.work, "live");
  mkdirSync(live, { recursive: true });
  {
    using database = new DatabaseSync(join(live, "crm.db"));
    database.exec("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS party (id INTEGER PRIMARY KEY, name TEXT)");
  }
  const folder = makeData(bench.work, "mix", bench.scale);
  const uploads = join(folder, "uploads");
  rmSync(uploads, { recursive: true, force: true });
  const source = { folder: live, database: "crm.db", files: folder };
  tool.create(source);
  tool.backup(source);
  mkdirSync(uploads);
  const following = new Following(tool);
  try {
    await following.until(() => following.files.length > 0 || following.told > 3);
    await wait(10_000);
    const seconds: number[] = [];
    const cpuBefore = following.cpuSeconds;
    const started = performance.now();
    for (let number = 0; number < files; number++) {
      await wait(4000 + ((number * 7919) % 6000));
      const before = following.files.length;
      writeFileSync(join(uploads, `${number}.pdf`), Buffer.alloc(300_000, `upload ${number}\n`));
      const atMs = performance.now();
      await following.until(() => following.files.slice(before).some(({ count }) => count > 0));
      seconds.push(((following.files.at(-1)?.atMs ?? 0) - atMs) / 1000);
    }
    const sorted = seconds.toSorted((a, b) => a - b);
    bench.record({
      step: "a file to durable",
      tool: tool.name,
      wallSeconds: (performance.now() - started) / 1000,
      cpuSeconds: following.cpuSeconds - cpuBefore,
      peakBytes: following.peakBytes,
      notes: { files, "median, s": sorted[files >> 1] ?? 0, "most, s": sorted.at(-1) ?? 0 },
    });
  } finally {
    await following.end();
    rmSync(uploads, { recursive: true, force: true });
  }
}
