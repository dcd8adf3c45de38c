/**
 * Preloaded (`node --import`) into a command under test and its worker threads: counts every operation that changes the
 * file system, and kills the process with SIGKILL right before operation number HOLDFAST_TEST_KILL_AT (from 1). With
 * 0 nothing is killed and the count is written to HOLDFAST_TEST_COUNT_FILE at exit. HOLDFAST_TEST_KILL_BEFORE says
 * before which instead, counted by its name: `renameat2 2` is the second of those. From operation number
 * HOLDFAST_TEST_FULL_AT on, if that is given, the disk is full: what needs room fails with ENOSPC. The product knows
 * nothing of either.
 */
import * as fs from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { getEnvironmentData, isMainThread, setEnvironmentData } from "node:worker_threads";

const changing = [
  "rename",
  "link",
  "symlink",
  "unlink",
  "rm",
  "rmdir",
  "mkdir",
  "truncate",
  "ftruncate",
  "fsync",
  "fdatasync",
  "write",
  "writev",
  "writeFile",
  "chmod",
  "fchmod",
  "chown",
  "fchown",
  "lchown",
  "copyFile",
];
/** Of an opened `FileHandle`. */
const changingHandle = ["write", "writev", "writeFile", "sync", "datasync", "truncate", "chmod", "chown", "utimes"];
/** Calls of the C library that reach around `node:fs`. */
const native = /\b(openat64|renameat2|syncfs|mknod|futimens|utimensat|fsetxattr|lsetxattr)\b/;

const needsRoom = /^(?:open|write|writev|writeFile|mkdir|link|symlink|copyFile)(?:Sync)?$/;

type Callable = (...values: unknown[]) => unknown;
type Patchable = Record<string, unknown>;

function creates(flags: unknown): boolean {
  return typeof flags === "number" ? (flags & fs.constants.O_CREAT) !== 0 : /[wax]/.test(String(flags));
}

/** One number for all threads of the command, who get it as they are begun. */
const key = "holdfast-test-operations";
if (isMainThread) setEnvironmentData(key, new SharedArrayBuffer(4));
const memory = getEnvironmentData(key);

if (memory instanceof SharedArrayBuffer) {
  const operations = new Int32Array(memory);
  const killAt = Number(process.env["HOLDFAST_TEST_KILL_AT"] ?? "0");
  const fullAt = Number(process.env["HOLDFAST_TEST_FULL_AT"] ?? "0");
  const [before = "", which = "1"] = (process.env["HOLDFAST_TEST_KILL_BEFORE"] ?? "").split(" ");
  let named = 0;
  const countFile = process.env["HOLDFAST_TEST_COUNT_FILE"];
  const writeCount = fs.writeFileSync;
  const step = (name: string) => {
    const count = Atomics.add(operations, 0, 1) + 1;
    const isNamed = before !== "" && new RegExp(`\\b${before}\\b`).test(name) && ++named === Number(which);
    if (count === killAt || isNamed) process.kill(process.pid, "SIGKILL");
    if (fullAt > 0 && count >= fullAt && needsRoom.test(name)) {
      throw Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), { code: "ENOSPC", syscall: name });
    }
  };
  const counted = (call: Callable, opName: string): Callable =>
    function (this: unknown, ...values: unknown[]) {
      step(opName);
      return call.apply(this, values);
    };
  const require = createRequire(import.meta.url);
  const modules: readonly Patchable[] = [require("node:fs") as Patchable, require("node:fs/promises") as Patchable];
  for (const target of modules) {
    for (const name of changing.flatMap((one) => [one, `${one}Sync`])) {
      const call = target[name];
      if (typeof call === "function") target[name] = counted(call as Callable, name);
    }
  }
  for (const target of modules) {
    for (const name of ["open", "openSync"]) {
      const call = target[name];
      if (typeof call !== "function") continue;
      target[name] = function (this: unknown, ...values: unknown[]) {
        if (creates(values[1])) step(name);
        return (call as Callable).apply(this, values);
      };
    }
  }
  const handle = await fs.promises.open("/dev/null");
  const prototype = Object.getPrototypeOf(handle) as Patchable;
  for (const name of changingHandle) {
    const call = prototype[name];
    if (typeof call === "function") prototype[name] = counted(call as Callable, name);
  }
  await handle.close();
  syncBuiltinESMExports();

  const koffi = require("koffi") as { load: (name: string) => { func: (declaration: string) => Callable } };
  const load = koffi.load;
  koffi.load = (name) => {
    const library = load(name);
    return {
      func: (declaration) => {
        const call = library.func(declaration) as Callable & { readonly async?: Callable };
        if (!native.test(declaration)) return call;
        // What is only begun is not counted: when it comes depends on how busy the machine is.
        return Object.assign(counted(call, declaration), call.async && { async: call.async.bind(call) });
      },
    };
  };
  process.on("exit", () => {
    if (isMainThread && killAt === 0 && countFile !== undefined) writeCount(countFile, String(operations[0]));
  });
}
