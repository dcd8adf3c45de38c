import assert from "node:assert/strict";
import fc from "fast-check";
import { spanText, type RetentionPolicy, type Span } from "../../src/lib/retention-policy.ts";
import { applyRetention, type DatedSnapshot, type KeepRule } from "../../src/repository/retention.ts";
import { localStorage } from "../../src/storage/local.ts";
import type { Campaign } from "../support/campaign.ts";
import { craftRepository } from "../support/crafted-repository.ts";
import { commandOutput } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Random lists of snapshots under random policies, decided by us and by stock `restic forget --dry-run --json`: the same
 * snapshots are kept, each for the same reasons. Many lists stand in one repository, one a host, so that one call of
 * restic decides on all of them. A round is one policy.
 */
export const campaign: Campaign = {
  name: "retention",
  about:
    "Random lists of snapshots, random policies, seven time zones with their changes of the clock: the same decisions, for the same reasons, as stock restic forget --dry-run.",
  rounds: 150,
  run: async ({ rounds, seed, report }) => {
    let decisions = 0;
    let kept = 0;
    for (let round = 0; round < rounds; round += policiesALot) {
      const [lists] = fc.sample(manyLists, { numRuns: 1, seed: seed + round });
      const policies = fc.sample(policy, { numRuns: Math.min(policiesALot, rounds - round), seed: seed + round });
      const counts = await compare(lists ?? [], policies);
      decisions += counts.decisions;
      kept += counts.kept;
      report(`${round + policies.length} of ${rounds} policies, ${decisions} decisions`);
    }
    return { policies: rounds, "lists a policy": listsALot, decisions, kept };
  },
};

const policiesALot = 15;
const listsALot = 40;

interface List {
  readonly zone: string;
  readonly snapshots: readonly DatedSnapshot[];
}

const zones = [
  "UTC",
  "Europe/Berlin",
  "Asia/Shanghai",
  "America/St_Johns",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "Pacific/Apia",
];
/** Around changes of the clock and of the year; with one in the future. */
const centres = [
  "2026-03-29T01:00Z",
  "2026-10-25T01:00Z",
  "2024-12-31T12:00Z",
  "2024-02-29T12:00Z",
  "2400-01-01T00:00Z",
];
const hour = 3_600_000;

const manyLists = fc.array(
  fc
    .record({
      zone: fc.constantFrom(...zones),
      centre: fc.constantFrom(...centres.map((text) => Date.parse(text))),
      spread: fc.constantFrom(6 * hour, 48 * hour, 40 * 24 * hour, 3 * 365 * 24 * hour),
      moments: fc.uniqueArray(
        fc.record({ at: fc.integer({ min: -100_000, max: 100_000 }), tags: fc.subarray(["a", "b", "hold"]) }),
        { minLength: 1, maxLength: 30, size: "max", selector: ({ at }) => at },
      ),
    })
    .map(({ zone, centre, spread, moments }): List => ({
      zone,
      snapshots: moments.map(({ at, tags }, index) => {
        const time = Temporal.Instant.fromEpochMilliseconds(centre + Math.round(at * (spread / 100_000)));
        // The way restic has it: with the offset of its zone at that moment.
        return { id: String(index), time: time.toString({ timeZone: zone }), tags };
      }),
    })),
  { minLength: listsALot, maxLength: listsALot },
);

const count = fc.integer({ min: 1, max: 12 });
const span: fc.Arbitrary<Span> = fc
  .record({
    years: fc.constantFrom(0, 0, 1, 2),
    months: fc.constantFrom(0, 0, 1, 5, 14),
    days: fc.nat(40),
    hours: fc.nat(30),
  })
  .filter(({ years, months, days, hours }) => years + months + days + hours > 0);
/** One to four rules: where many keep the same, a wrong one would hide behind the others. */
const policy: fc.Arbitrary<RetentionPolicy> = fc
  .record({
    last: count,
    hourly: count,
    daily: count,
    weekly: count,
    monthly: count,
    yearly: count,
    within: span,
    withinHourly: span,
    withinDaily: span,
    withinWeekly: span,
    withinMonthly: span,
    withinYearly: span,
    tags: fc.constantFrom([["a"]], [["a", "b"], ["hold"]]),
  })
  .chain((all) =>
    fc
      .subarray(Object.keys(all), { minLength: 1, maxLength: 4 })
      .map(
        (rules) => Object.fromEntries(Object.entries(all).filter(([rule]) => rules.includes(rule))) as RetentionPolicy,
      ),
  );

function flagsOf(one: RetentionPolicy): readonly string[] {
  const flags: string[] = [];
  for (const [rule, value] of Object.entries(one) as readonly (readonly [string, number | Span | string[][]])[]) {
    const name = `--keep-${rule.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (Array.isArray(value)) for (const tags of value) flags.push("--keep-tag", tags.join(","));
    else flags.push(name, typeof value === "number" ? String(value) : spanText(value));
  }
  return flags;
}

interface ResticGroup {
  readonly host: string;
  readonly reasons:
    | readonly { readonly snapshot: { readonly time: string }; readonly matches: readonly string[] }[]
    | null;
}

async function compare(lists: readonly List[], policies: readonly RetentionPolicy[]) {
  using folder = temporaryFolder();
  const crafted = await craftRepository(localStorage(folder.path));
  for (const [number, { snapshots }] of lists.entries()) {
    for (const { time, tags } of snapshots) {
      await crafted.snapshot("ab".repeat(32), { time, tags, hostname: `list${number}`, paths: ["/crm"] });
    }
  }
  const env = { ...process.env, RESTIC_REPOSITORY: folder.path, RESTIC_PASSWORD: crafted.password, TZ: "UTC" };
  const args = ["--no-cache", "--no-lock", "forget", "--dry-run", "--json", "--group-by", "host"];
  let decisions = 0;
  let kept = 0;
  for (const one of policies) {
    const flags = flagsOf(one);
    const groups = JSON.parse(await commandOutput("restic", [...args, ...flags], { env })) as readonly ResticGroup[];
    assert.equal(groups.length, lists.length);
    for (const { host, reasons } of groups) {
      const list = lists[Number(host.slice(4))] ?? assert.fail(host);
      const theirs = (reasons ?? []).map(
        ({ snapshot, matches }) => [instant(snapshot.time), matches.toSorted()] as const,
      );
      const decided = applyRetention(list.snapshots, one, list.zone, new Date());
      const ours = decided.flatMap(({ snapshot, rules }) => {
        // Newer ones than the judge keep the oldest too.
        const shared = rules.filter(({ oldest }) => oldest === undefined);
        return shared.length === 0 ? [] : [[instant(snapshot.time), shared.map(asRestic).toSorted()] as const];
      });
      assert.deepEqual(ours, theirs, `${flags.join(" ")} in ${list.zone}`);
      decisions += decided.length;
      kept += theirs.length;
    }
  }
  return { decisions, kept };
}

function instant(time: string): string {
  return Temporal.Instant.from(time).toString();
}

function asRestic({ rule, detail }: KeepRule): string {
  if (rule === "tags") return `has tags [${(detail ?? "").replaceAll(",", ", ")}]`;
  if (rule === "within") return `within ${detail}`;
  return rule.startsWith("within-") ? `${rule.slice(7)} within ${detail}` : `${rule} snapshot`;
}
