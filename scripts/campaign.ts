/**
 * Runs the long seeded proofs in `test/campaign/` and writes their results to `docs/evidence/`: `npm run campaign`.
 *
 *     node scripts/campaign.ts [NAME…] [--rounds N] [--seed N]
 *
 * `package.json` gives it a heap that is large at once, to which addresses that are only reserved do not count: opening
 * thousands of repositories one after the other had a third of the time go into collecting garbage.
 */
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import type { Campaign } from "../test/support/campaign.ts";
import { cheapenProcesses } from "./cheap-processes.ts";
import { exitOnSignals } from "./exit-on-signals.ts";
import { buildTestPackage } from "./test-package.ts";

const root = join(import.meta.dirname, "..");
const evidence = join(root, "docs/evidence");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string" }, seed: { type: "string", default: "1" } },
});

function firstLine(program: string, ...args: string[]): string {
  return spawnSync(program, args, { encoding: "utf8", cwd: root }).stdout?.split("\n")[0] ?? "";
}

async function runCampaign(campaign: Campaign): Promise<void> {
  const rounds = values.rounds === undefined ? campaign.rounds : Number(values.rounds);
  const seed = Number(values.seed);
  const started = performance.now();
  const facts = await campaign.run({ rounds, seed, report: (line) => console.error(`${campaign.name}: ${line}`) });
  // On another server it is another proof (`scripts/other-servers.sh`).
  const server = process.env["HOLDFAST_TEST_SERVER"];
  const name = server ? `${campaign.name}-${server}` : campaign.name;
  const result = {
    name,
    about: campaign.about,
    date: new Date().toISOString().slice(0, 10),
    commit: firstLine("git", "rev-parse", "--short", "HEAD"),
    seed,
    rounds,
    seconds: Math.round((performance.now() - started) / 1000),
    machine: `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} cores, Node ${process.version}`,
    judges: [firstLine("restic", "version"), `SQLite ${firstLine("sqlite3", "-version").split(" ")[0]}`],
    facts,
  };
  mkdirSync(evidence, { recursive: true });
  writeFileSync(join(evidence, `${name}.json`), `${JSON.stringify(result, undefined, 2)}\n`);
  const lines = [
    `# ${name}`,
    "",
    campaign.about,
    "",
    `Run with \`${server ? `HOLDFAST_TEST_SERVER=${server} ` : ""}npm run campaign -- ${campaign.name} --rounds ${rounds} --seed ${seed}\` on ${result.date}, commit ${result.commit}: passed in ${result.seconds} s.`,
    `${result.machine}; ${result.judges.join("; ")}.`,
    "",
    "| what | count |",
    "|---|--:|",
    ...Object.entries(facts).map(([what, count]) => `| ${what} | ${count} |`),
    "",
  ];
  writeFileSync(join(evidence, `${name}.md`), lines.join("\n"));
}

exitOnSignals();
cheapenProcesses();
buildTestPackage();

const files = globSync("test/campaign/*.ts", { cwd: root }).filter((file) => !file.endsWith(".test.ts"));
const wanted = files.filter((file) => positionals.length === 0 || positionals.includes(basename(file, ".ts")));
if (wanted.length === 0) throw new Error(`There is no such campaign. There are: ${files.join(", ") || "none"}`);
for (const file of wanted.toSorted()) {
  const { campaign } = (await import(join(root, file))) as { readonly campaign: Campaign };
  await runCampaign(campaign);
}
