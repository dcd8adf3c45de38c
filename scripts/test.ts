/**
 * Runs the tests and ends with one line: `N passed, N failed`.
 *
 *     node scripts/test.ts            all
 *     node scripts/test.ts WORD…      only files whose path holds one of the words
 *
 * What stands in `src/` runs side by side. What stands in `test/` starts servers and processes of its own, and waits for
 * them much of the time, so four files of it run at once, whatever the machine, those first that take longest; what
 * measures times stands in `test/timed/`, and runs alone. A test that is skipped, and a run without tests, count as failures.
 */
import {
  chmodSync,
  existsSync,
  globSync,
  mkdtempDisposableSync,
  readFileSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, freemem, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { inspect } from "node:util";
import { cheapenProcesses } from "./cheap-processes.ts";
import { buildTestPackage } from "./test-package.ts";

const root = join(import.meta.dirname, "..");

/** A test that waits for ever does not end by itself. The longest file takes six minutes, and a busy machine thrice as long. */
const fileTimeoutMs = 1_800_000;
/** In this order, before all others: begun last, one of these would run on alone. One alone makes the Tryton of several. */
const longest = [
  "test/tryton/tryton-postgres.test.ts",
  "test/tryton/tryton.test.ts",
  "test/records/dolibarr.test.ts",
  "test/docs/commands.test.ts",
  "test/s3/s3.test.ts",
  "test/s3/locked.test.ts",
  "test/volumes/volumes.test.ts",
];
const atOnce = 4;
const execArgv = ["--disable-warning=ExperimentalWarning", `--import=${join(import.meta.dirname, "test-cost.ts")}`];

const rank = (file: string) => (longest.includes(file) ? longest.indexOf(file) : longest.length);

interface Counts {
  passed: number;
  failed: number;
}

/** What took most processor time, so that one sees where a run's time goes. */
const slowestShown = 30;

const durations = new Map<string, number>();

const failureShownChars = 3000;

/** What failed, told again at the end: of a long run's output often only the end is kept. */
const failures: string[] = [];

/** Without it, temporary files stay on the disk: four test files together have never needed half of it. */
const memoryRoom = 6 * 2 ** 30;

/**
 * Where temporary folders are made in memory, if there is room. What stands in `test/` proves what is written, not that a
 * disk keeps it, and on a disk its many small files cost much: ext4 without a journal looks at whatever was deleted in the
 * last seconds whenever it makes a file. What stands in `src/` proves what file systems do, and stays on the disk.
 */
function memoryFolder(): string | undefined {
  const shared = "/dev/shm";
  if (!existsSync(shared)) return undefined;
  const { bavail, bsize } = statfsSync(shared);
  return Math.min(bavail * bsize, freemem()) > memoryRoom ? shared : undefined;
}

async function runFiles(
  files: readonly string[],
  concurrency: number,
  counts: Counts,
  temporary = tmpdir(),
): Promise<void> {
  const env = { ...process.env, TMPDIR: temporary };
  const events = run({ files: [...files], concurrency, timeout: fileTimeoutMs, execArgv, env });
  events.on("test:pass", ({ name }) => {
    if (!files.includes(name)) return;
    console.error(`${name} holds no test.`);
    counts.passed--;
    counts.failed++;
  });
  events.on("test:fail", ({ name, file, line, details: { error } }) => {
    failures.push(`${relative(root, file ?? name)}:${line ?? 0} ${name}\n${inspect(error.cause ?? error)}`);
  });
  events.on("test:summary", (summary) => {
    if (summary.file !== undefined) {
      durations.set(relative(root, summary.file), summary.duration_ms);
      return;
    }
    const { passed, tests } = summary.counts;
    counts.passed += passed;
    counts.failed += tests - passed;
    if (!summary.success && tests === passed) counts.failed++;
  });
  const output = events.compose(spec());
  output.pipe(process.stdout);
  await new Promise<void>((resolve, reject) => output.once("end", resolve).once("error", reject));
}

/** Seconds of processor time of each file; what was killed or left running told none. */
function readCosts(): ReadonlyMap<string, number> {
  const lines = readFileSync(costNotes, "utf8").split("\n").slice(0, -1);
  return new Map(
    lines.map((line) => {
      const [seconds = "", file = ""] = line.split("\t");
      return [relative(root, file), Number(seconds)];
    }),
  );
}

process.chdir(root);
using notes = mkdtempDisposableSync(join(tmpdir(), "holdfast-costs-"));
const costNotes = join(notes.path, "costs");
writeFileSync(costNotes, "");
process.env["HOLDFAST_TEST_COSTS"] = costNotes;
using memory = mkdtempDisposableSync(join(memoryFolder() ?? tmpdir(), "holdfast-tests-"));
// Servers run as users of their own.
chmodSync(memory.path, 0o1777);
cheapenProcesses();
buildTestPackage();

const words = process.argv.slice(2);
const find = (pattern: string) =>
  globSync(pattern)
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .toSorted();

const counts: Counts = { passed: 0, failed: 0 };
const unit = find("src/**/*.test.ts");
const timed = find("test/timed/*.test.ts");
const whole = find("test/**/*.test.ts").filter((file) => !timed.includes(file));
whole.sort((a, b) => rank(a) - rank(b));
if (unit.length > 0) await runFiles(unit, Math.max(atOnce, availableParallelism()), counts);
if (whole.length > 0) await runFiles(whole, atOnce, counts, memory.path);
if (timed.length > 0) await runFiles(timed, 1, counts);
const costs = readCosts();
const total = [...costs.values()].reduce((sum, seconds) => sum + seconds, 0);
const costly = [...costs].toSorted(([, a], [, b]) => b - a).slice(0, slowestShown);
console.log(`\nProcessor time: ${total.toFixed(0)} s. The files that took most, and how long they ran:`);
for (const [file, seconds] of costly) {
  const ran = ((durations.get(file) ?? 0) / 1000).toFixed(1);
  console.log(`${seconds.toFixed(1).padStart(7)} s ${ran.padStart(7)} s  ${file}`);
}
for (const failure of failures) console.log(`\nfailed: ${failure.slice(0, failureShownChars)}`);
if (counts.passed + counts.failed === 0) console.error("There is no such test.");
if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;
console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
