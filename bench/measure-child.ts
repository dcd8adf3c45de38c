/** Runs one command and writes what it cost as JSON: `measure-child.ts RESULT OUTPUT PROGRAM [ARGUMENT…]`. */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeFileSync } from "node:fs";
import koffi from "koffi";

const [result = "", output = "", program = "", ...args] = process.argv.slice(2);

const time = koffi.struct({ seconds: "int64", microseconds: "int64" });
// struct rusage of Linux on 64 bits; only its beginning is read.
const usage = koffi.struct({ user: time, system: time, maxRssKiB: "int64", rest: koffi.array("int64", 13) });
const getrusage = koffi.load("libc.so.6").func("getrusage", "int", ["int", koffi.out(koffi.pointer(usage))]);
const children = -1;

const file = openSync(output, "w");
const started = process.hrtime.bigint();
const { status, error } = spawnSync(program, args, { stdio: ["ignore", file, file] });
const wallSeconds = Number(process.hrtime.bigint() - started) / 1e9;
closeSync(file);
if (error) throw error;

interface Time {
  readonly seconds: number;
  readonly microseconds: number;
}
const spent = {} as { user: Time; system: Time; maxRssKiB: number };
getrusage(children, spent);
const seconds = (one: Time) => one.seconds + one.microseconds / 1e6;
const cpuSeconds = seconds(spent.user) + seconds(spent.system);
writeFileSync(result, JSON.stringify({ status, wallSeconds, cpuSeconds, peakBytes: spent.maxRssKiB * 1024 }));
