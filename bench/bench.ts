/**
 * Measures Holdfast beside restic and borg on the same data in one run: `npm run bench`.
 *
 *     node bench/bench.ts [--out FOLDER] [--work FOLDER] [--rounds 3] [--scale 1] [--only mix,small,table,million,blobs,postgres,
 *                         postgres-wal,mariadb,crm-load,crm-load-mariadb,look,follow,follow-load,follow-files,remote]
 *                         [--tools holdfast,restic,borg]
 *
 * Rounds are interleaved, so that a slow minute of the machine hits all. Writes `bench.json` (every sample) and
 * `bench.md` (medians) to FOLDER. All repositories are encrypted, on local disk, and flushed to it as each tool does.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { arch, availableParallelism, cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { markdownTable, noteText, summarise } from "./report.ts";
import { scenarios, type Sample, usualScenarios } from "./scenarios.ts";
import { borgTool, holdfastTool, resticTool } from "./tools.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "bench-result" },
    work: { type: "string", default: join(tmpdir(), "holdfast-bench") },
    rounds: { type: "string", default: "3" },
    scale: { type: "string", default: "1" },
    only: { type: "string", default: usualScenarios.join(",") },
    tools: { type: "string", default: "holdfast,restic,borg" },
  },
});
const { work, out } = values;
const rounds = Number(values.rounds);
const scale = Number(values.scale);
const root = join(import.meta.dirname, "..");
mkdirSync(work, { recursive: true });
mkdirSync(out, { recursive: true });

const makers = { holdfast: () => holdfastTool(work, root), restic: () => resticTool(work), borg: () => borgTool(work) };
const tools = values.tools.split(",").map((name) => {
  if (!Object.hasOwn(makers, name)) throw new Error(`There is no tool ${name}.`);
  return makers[name as keyof typeof makers]();
});

rmSync(join(work, "target"), { recursive: true, force: true });
const samples: Sample[] = [];
const record = (sample: Sample) => {
  samples.push(sample);
  const { step, tool, wallSeconds, cpuSeconds, peakBytes, notes } = sample;
  const peak = (peakBytes / 1e6).toFixed(0);
  console.error(
    `${step}, ${tool}: ${wallSeconds.toFixed(2)} s, ${cpuSeconds.toFixed(2)} s of CPU, ${peak} MB${noteText(notes)}`,
  );
};

for (let round = 1; round <= rounds; round++) {
  for (const name of values.only.split(",")) {
    const scenario = scenarios[name];
    if (!scenario) throw new Error(`There is no scenario ${name}.`);
    await scenario({ work, scale, tools, root, record }, round);
  }
}

const rows = summarise(samples);
const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: availableParallelism(),
  memoryBytes: totalmem(),
  system: `Linux ${release()} ${arch()}`,
  node: process.version,
};
const about = {
  date: new Date().toISOString().slice(0, 10),
  rounds,
  scale,
  machine,
  tools: tools.map((one) => one.version),
};
writeFileSync(join(out, "bench.json"), `${JSON.stringify({ ...about, rows, samples }, undefined, 2)}\n`);
const table = markdownTable(rows);
const line = `${about.date}; medians of ${rounds}; ${machine.cpu}, ${machine.cores} cores; ${about.tools.join("; ")}; data × ${scale}.`;
writeFileSync(join(out, "bench.md"), `${line}\n\n${table}`);
console.log(table);
const remote = ["holdfast-s3", "holdfast-sftp", "restic-s3", "restic-sftp"];
for (const name of ["holdfast", "restic", "borg", "target", "live", "aside", "mariadb", ...remote]) {
  rmSync(join(work, name), { recursive: true, force: true });
}
