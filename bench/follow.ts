import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { eachFollowWorld, Following, type FollowWorld, type Told } from "./follow-world.ts";
import type { Bench } from "./scenarios.ts";
import type { Tool } from "./tools.ts";

/** Changed a second. */
const hotRows = 20_000;
const calmSeconds = 150;

/**
 * From a commit to its place in the repository: how long each of some twenty commits a second took, by the clock of this machine, from the
 * answer to `COMMIT` until `follow` told that it is durable. With nobody else there, which has two publications of the journal and two
 * rests of the repository in it; beside full backups; and while 20,000 rows a second change.
 */
export async function followRound(bench: Bench): Promise<void> {
  await eachFollowWorld(bench, (tool, world) => followWorld(bench, tool, world));
}

async function followWorld(bench: Bench, tool: Tool, world: FollowWorld): Promise<void> {
  const following = new Following(tool);
  try {
    await following.until(() => following.told > 0);
    await wait(5000);
    const calm = await commitsFor(world, following, () => wait(calmSeconds * 1000));
    record("nobody else there", calm);
    const beside = await commitsFor(world, following, async () => {
      for (let count = 0; count < 2; count++) {
        const backup = tool.begin?.("backup", "full");
        backup?.stdout?.resume();
        if (backup) await once(backup, "exit");
      }
    });
    record("beside two full backups", beside);
    let rows = 0;
    const hot = await commitsFor(world, following, async () => {
      await using client = await world.open();
      for (const end = performance.now() + 30_000; performance.now() < end; rows += hotRows) {
        const next = performance.now() + 1000;
        await client.run(`UPDATE party SET amount = amount + 1 WHERE id <= ${hotRows}`);
        await wait(Math.max(0, next - performance.now()));
      }
    });
    record("20,000 rows a second", { ...hot, rows });
  } finally {
    await following.end();
  }

  function record(step: string, { rows, ...one }: Measured & { readonly rows?: number }): void {
    const { millis, seconds, cpuSeconds } = one;
    const sorted = millis.toSorted((a, b) => a - b);
    const at = (part: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0) / 1000;
    const notes = {
      ...{ commits: sorted.length, "median, s": at(0.5), "p99, s": at(0.99), "most, s": at(1) },
      ...(rows !== undefined && { "rows/s": Math.round(rows / seconds), "caught up after, s": one.behindMs / 1000 }),
    };
    const cost = { wallSeconds: seconds, cpuSeconds, peakBytes: following.peakBytes };
    bench.record({ step: `${world.name}, commit to durable: ${step}`, tool: tool.name, ...cost, notes });
  }
}

interface Measured {
  /** Of each commit. */
  readonly millis: readonly number[];
  readonly seconds: number;
  /** Of `follow`. */
  readonly cpuSeconds: number;
  /** From the end of the work until all of it was durable. */
  readonly behindMs: number;
}

/** Commits a mark some twenty times a second while `work` is done. */
async function commitsFor(world: FollowWorld, following: Following, work: () => Promise<unknown>): Promise<Measured> {
  await using client = await world.open();
  await client.run("DELETE FROM mark");
  const cpuBefore = following.cpuSeconds;
  const started = performance.now();
  const committed: Told[] = [];
  let isOver = false;
  const working = (async () => {
    await work();
    isOver = true;
  })();
  while (!isOver) {
    await client.run(`INSERT INTO mark VALUES (${committed.length})`);
    const atMs = performance.now();
    committed.push({ atMs, position: await client.position() });
    await wait(50);
  }
  await working;
  const ended = performance.now();
  // One more, behind which all of it is.
  await client.run("DELETE FROM mark");
  const last = committed.at(-1)?.position ?? "";
  await following.until(() => following.durableAt(last) > 0);
  const cpuSeconds = following.cpuSeconds - cpuBefore;
  const millis = committed.map(({ atMs, position }) => following.durableAt(position) - atMs);
  const seconds = (ended - started) / 1000;
  return { millis, seconds, cpuSeconds, behindMs: Math.max(0, following.durableAt(last) - ended) };
}
