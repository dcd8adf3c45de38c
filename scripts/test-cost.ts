/**
 * Loaded into each test file's process: at its end it notes what processor time the file took, with all the programs that
 * it started and waited for. A line is `SECONDS<tab>FILE`, in the file that HOLDFAST_TEST_COSTS names.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const notes = process.env["HOLDFAST_TEST_COSTS"];
/** Of a clock tick in `/proc`, which Linux counts by hundredths: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
const tickSeconds = 0.01;

if (isMainThread && notes !== undefined) {
  process.on("exit", () => {
    const stat = readFileSync("/proc/self/stat", "utf8");
    // Behind the name, which may hold anything: from the 3rd field on; 14 to 17 are user and system time, own and children's.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    appendFileSync(notes, `${(ticks * tickSeconds).toFixed(2)}\t${process.argv[1]}\n`);
  });
}
