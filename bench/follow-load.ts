import { setTimeout as wait } from "node:timers/promises";
import { eachFollowWorld, Following, type FollowWorld } from "./follow-world.ts";
import type { Bench } from "./scenarios.ts";
import type { Tool } from "./tools.ts";

const clients = 4;
const pairs = 5;
const roundSeconds = 15;
const loadOfMost = 0.8;

/**
 * What a database loses while it is followed: transactions a second of four clients (a record by its key, a change of another), asked
 * to do 80 % of what they can at most. Pairs of rounds, one followed and one not, the first of them the other way round each time; of
 * the five pairs the median.
 */
export async function followLoadRound(bench: Bench): Promise<void> {
  await eachFollowWorld(bench, (tool, world) => loadPairs(bench, tool, world));
}

async function loadPairs(bench: Bench, tool: Tool, world: FollowWorld): Promise<void> {
  await rateOf(world, Number.POSITIVE_INFINITY);
  const most = await rateOf(world, Number.POSITIVE_INFINITY);
  const wanted = most * loadOfMost;
  const costs: { cpu: number; peak: number } = { cpu: 0, peak: 0 };
  const followed = async (): Promise<number> => {
    const following = new Following(tool);
    try {
      await following.until(() => following.told > 0);
      await wait(2000);
      const before = following.cpuSeconds;
      const rate = await rateOf(world, wanted);
      costs.cpu += following.cpuSeconds - before;
      costs.peak = Math.max(costs.peak, following.peakBytes);
      return rate;
    } finally {
      await following.end();
    }
  };
  const losses: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const alone = pair % 2 === 0 ? await rateOf(world, wanted) : undefined;
    const beside = await followed();
    losses.push(1 - beside / (alone ?? (await rateOf(world, wanted))));
  }
  losses.sort((a, b) => a - b);
  bench.record({
    step: `${world.name}, load at 80 % of its most, followed`,
    tool: tool.name,
    wallSeconds: pairs * roundSeconds,
    cpuSeconds: costs.cpu,
    peakBytes: costs.peak,
    notes: {
      "most, transactions/s": Math.round(most),
      "lost, median": losses[Math.floor(pairs / 2)] ?? 0,
      "lost, least": losses[0] ?? 0,
      "lost, most": losses.at(-1) ?? 0,
    },
  });
}

/** Transactions a second that were done, of so many that were to be. */
async function rateOf(world: FollowWorld, wanted: number): Promise<number> {
  const started = performance.now();
  const end = started + roundSeconds * 1000;
  const counts = await Promise.all(
    Array.from({ length: clients }, async (_, number) => {
      await using client = await world.open();
      const everyMs = (clients * 1000) / wanted;
      let count = 0;
      for (let next = started; performance.now() < end; count++) {
        // Any order will do, so long as clients are not at the same rows.
        const id = 1 + ((count * 7919 * clients + number) % world.rows);
        const statements = [
          "BEGIN",
          `SELECT * FROM party WHERE id = ${id}`,
          `UPDATE party SET amount = amount + 1 WHERE id = ${id}`,
          "COMMIT",
        ];
        for (const sql of statements) await client.run(sql);
        next += everyMs;
        const early = next - performance.now();
        if (early > 1) await wait(early);
      }
      return count;
    }),
  );
  return (counts.reduce((sum, one) => sum + one, 0) * 1000) / (performance.now() - started);
}
