import { readFileSync, readlinkSync } from "node:fs";
import type { LockFile, LockOwner } from "../format/lock-file.ts";
import { parseTime } from "../format/time.ts";
import { hasSystemCode } from "../lib/system-code.ts";

/** restic's own age at which a lock counts as forgotten; ours are renewed every five minutes. */
const forgottenMs = 30 * 60_000;
/** The same by the clocks of two machines: one that takes local time for UTC is up to 14 hours off. */
const forgottenElsewhereMs = 24 * 60 * 60_000;

/** This process, beyond its number: `undefined` where `/proc` does not tell. */
export function thisOwner(): LockOwner | undefined {
  const started = processStart(process.pid);
  if (started === undefined || started === hidden) return undefined;
  try {
    return {
      boot: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
      pidNamespace: readlinkSync("/proc/self/ns/pid"),
      pid: process.pid,
      started,
    };
  } catch {
    return undefined;
  }
}

/**
 * Whether a lock was certainly left behind by a Holdfast that is dead. Only its own word counts, which other programs'
 * locks do not have: a process number alone says nothing in a container, and a host's name may be used twice.
 *
 * - The same running system and the same namespace of process numbers: dead when no process has that number, or one
 *   that started at another time; where the system shows nobody's processes but our own (`hidepid`, `ProtectProc`), as the next.
 * - The same running system and another namespace: a container, whose processes nobody else may see. Dead when the lock was not
 *   renewed for 30 minutes: it goes by the same clock as we do, and gives its lock up at 22.5.
 * - The same host after a restart: dead when the lock was not renewed for 30 minutes besides, which a copy of this
 *   machine that is still running would have done.
 * - Another machine, or a container on one that was restarted since: dead when it was not renewed for a day.
 */
export function isLeftBehind(lock: LockFile, own: LockOwner | undefined, hostname: string, now: Date): boolean {
  const { owner } = lock;
  if (owner === undefined || own === undefined) return false;
  if (owner.boot === own.boot) {
    const started = owner.pidNamespace === own.pidNamespace ? processStart(owner.pid) : hidden;
    return started === hidden ? isStale(lock, now) : started !== owner.started;
  }
  return isStale(lock, now, lock.hostname === hostname ? forgottenMs : forgottenElsewhereMs);
}

/** Whether a lock is older than any that somebody still renews: by the two clocks, which may differ. */
export function isStale(lock: LockFile, now: Date, ageMs = forgottenMs): boolean {
  return now.getTime() - Number((parseTime(lock.time) ?? 0n) / 1_000_000n) > ageMs;
}

const hidden = "hidden";

/** When a process started that lives, in clock ticks since the boot: field 22 of `/proc/PID/stat`. `hidden`: not for us to see. */
function processStart(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in field 2 may hold anything, parentheses too.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    // Dead with all its threads, and there only until its parent asks how it ended: some never do, as the first process of many a container.
    const isDead = fields[0] === "Z" && Number(fields[17]) <= 1;
    return isDead ? undefined : fields[19];
  } catch {
    return isThere(pid) ? hidden : undefined;
  }
}

/** A signal that is none finds also what `/proc` does not show, and kills nobody. */
export function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process is one all the same.
    return !hasSystemCode(error, "ESRCH");
  }
}
