import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, test } from "node:test";
import { createCheapRepository } from "../../test/support/cheap-key.ts";
import { resticOn } from "../../test/support/restic.ts";
import { runCommand } from "../../test/support/run-command.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { newMasterKey } from "../format/key-file.ts";
import { lockJson, type LockFile } from "../format/lock-file.ts";
import { sealUnpacked } from "../format/unpacked.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { localStorage } from "../storage/local.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import type { LockParts, LockTiming } from "./held-lock.ts";
import { acquireLock } from "./lock.ts";
import { isLeftBehind, thisOwner } from "./lock-owner.ts";
import type { Lock, LockMode, LockOptions } from "./repository.ts";
import { removeLocks } from "./unlock.ts";
import { until } from "../../test/support/until.ts";

const { signal } = new AbortController();
const host = { hostname: "here", username: "tester", uid: 0, gid: 0 };
const key = newMasterKey();
const fast: Partial<LockTiming> = {
  secondLookMs: 10,
  pollMs: 2,
  renewAgainMs: 5,
  firstWaitMs: 5,
  longestWaitMs: 20,
  announceMs: 50,
  announcedPauseMs: 5,
  unreadableRetriesMs: [1, 1],
};
const locked = (error: unknown): boolean => isHoldfastError(error, "repository-locked");

function unlessLocked(error: unknown): undefined {
  if (!locked(error)) throw error;
}

class Disposing extends AbortController {
  [Symbol.dispose](): void {
    this.abort();
  }
}

function partsOf(storage: Storage, timing: Partial<LockTiming> = {}): LockParts {
  return { storage, key, host, timing: { ...fast, ...timing } };
}

function take(storage: Storage, mode: LockMode, options: Partial<LockOptions> = {}): Promise<Lock> {
  return acquireLock(partsOf(storage), mode, { signal, now: () => new Date(), waitMs: 0, ...options });
}

async function namesIn(storage: Storage): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list("lock", signal)) names.push(name);
  return names;
}

async function plant(storage: Storage, lock: Partial<LockFile>): Promise<string> {
  const whole = { time: new Date().toISOString(), exclusive: false, hostname: "there", username: "u", pid: 5, uid: 0 };
  const { name, bytes } = sealUnpacked(key, lockJson({ ...whole, gid: 0, ...lock }));
  await storage.save({ kind: "lock", name }, bytes, signal);
  return name;
}

describe("taking locks", () => {
  test("shared ones go together, an exclusive one goes alone, and what is given back is free", async () => {
    const storage = memoryStorage();
    {
      await using first = await take(storage, "shared");
      await using second = await take(storage, "shared");
      await Promise.all([first.check(signal), second.check(signal)]);
      assert.equal((await namesIn(storage)).length, 2);
      await assert.rejects(take(storage, "exclusive"), locked);
    }
    {
      await using _alone = await take(storage, "exclusive");
      await assert.rejects(take(storage, "shared"), locked);
      await assert.rejects(take(storage, "exclusive"), locked);
    }
    assert.deepEqual(await namesIn(storage), []);
  });

  test("who waits to be alone gets his turn among shared ones without a break, before whoever gives way to him", async () => {
    const storage = memoryStorage();
    using over = new Disposing();
    // The next one is taken before the last one is given back.
    const follow = async (): Promise<void> => {
      let held: Lock | undefined;
      while (!over.signal.aborted) {
        const next = await take(storage, "shared", { givesWay: true }).catch(unlessLocked);
        await held?.[Symbol.asyncDispose]();
        held = next;
        await delay(20);
      }
      await held?.[Symbol.asyncDispose]();
    };
    const following = follow();
    await delay(30);
    {
      await using _alone = await take(storage, "exclusive", { waitMs: 3000 });
      await assert.rejects(take(storage, "shared", { waitMs: 30 }), locked);
    }
    over[Symbol.dispose]();
    await following;
    assert.deepEqual(await namesIn(storage), []);
  });

  test("whoever only waits is in nobody's way who has no time for that, nor in another's who waits", async () => {
    const storage = memoryStorage();
    await plant(storage, { waits: true });
    await using shared = await take(storage, "shared");
    await shared.check(signal);
    await assert.rejects(take(storage, "shared", { givesWay: true }), locked);
    await shared[Symbol.asyncDispose]();
    await using alone = await take(storage, "exclusive");
    await alone.check(signal);
    await alone[Symbol.asyncDispose]();
    // Nobody gives way to who has not renewed it.
    const old = memoryStorage();
    await plant(old, { waits: true, time: "2026-01-01T00:00:00Z" });
    await using _given = await take(old, "shared", { givesWay: true });
  });

  test("restic works beside one who waits to be alone", async () => {
    using folder = temporaryFolder();
    const opening = { signal, now: () => new Date(), host };
    await using repository = await createCheapRepository(localStorage(folder.path), "secret", opening);
    await using shared = await repository.lock("shared", { signal, now: () => new Date(), waitMs: 0 });
    const stop = new AbortController();
    const waiting = repository.lock("exclusive", { signal: stop.signal, now: () => new Date(), waitMs: 600_000 });
    waiting.catch(() => undefined);
    const locks = () => readdirSync(join(folder.path, "locks")).length;
    await until(() => locks() === 2);
    await resticOn(folder.path, "secret").output("backup", import.meta.filename);
    stop.abort();
    await assert.rejects(waiting);
    assert.equal(locks(), 1);
    await shared[Symbol.asyncDispose]();
    await resticOn(folder.path, "secret").check();
  });

  test("who is in the way is told", async () => {
    const storage = memoryStorage();
    await plant(storage, { exclusive: true, time: "2026-11-22T08:00:00Z", pid: 77 });
    await assert.rejects(take(storage, "shared"), (error) => {
      assert.ok(isHoldfastError(error, "repository-locked"));
      const { hostname, username, pid, time } = error.facts;
      assert.deepEqual([hostname, username, pid, time], ["there", "u", 77, "2026-11-22T08:00:00Z"]);
      return true;
    });
  });

  test("waiting ends when the other goes, or when the time is up", async () => {
    const storage = memoryStorage();
    const other = await take(storage, "exclusive");
    const told: number[] = [];
    const waiting = take(storage, "shared", { waitMs: 5000, onWait: (holder) => told.push(holder.pid) });
    await delay(30);
    await other[Symbol.asyncDispose]();
    await using _ours = await waiting;
    assert.deepEqual(told, [process.pid]);

    await assert.rejects(take(storage, "exclusive", { waitMs: 30 }), locked);
    const stop = new AbortController();
    const stopped = take(storage, "exclusive", { waitMs: 60_000, signal: stop.signal });
    setTimeout(() => stop.abort(new Error("enough")), 10);
    await assert.rejects(stopped);
    assert.equal((await namesIn(storage)).length, 1);
  });

  test("of two who come at the same moment, never both go on", async () => {
    for (let round = 0; round < 5; round++) {
      const storage = memoryStorage();
      const results = await Promise.allSettled([
        take(storage, "exclusive"),
        take(storage, "exclusive"),
        take(storage, "shared").then(async (lock) => {
          await lock.check(signal).catch(async (error: unknown) => {
            await lock[Symbol.asyncDispose]();
            throw error;
          });
          return lock;
        }),
      ]);
      const held = results.filter((result) => result.status === "fulfilled");
      assert.ok(held.length <= 1, `${held.length} locks held`);
      for (const { value } of held) await value[Symbol.asyncDispose]();
      assert.deepEqual(await namesIn(storage), []);
    }
  });

  test("one who comes between our two looks is seen by the second", async () => {
    const storage = memoryStorage();
    await using lock = await take(storage, "shared");
    await plant(storage, { exclusive: true });
    await assert.rejects(lock.check(signal), locked);
    assert.ok(lock.lost.aborted);
  });

  test("empty files hold nothing; one that stays unreadable stops us", async () => {
    const storage = memoryStorage();
    await storage.save({ kind: "lock", name: "ab".repeat(32) }, Buffer.alloc(0), signal);
    await (await take(storage, "exclusive"))[Symbol.asyncDispose]();
    await storage.save({ kind: "lock", name: "cd".repeat(32) }, Buffer.alloc(50), signal);
    await assert.rejects(take(storage, "shared"), (error) => isHoldfastError(error, "repository-damaged"));
  });
});

describe("locks left behind", () => {
  const own = thisOwner();
  assert.ok(own);
  const gone = { ...own, pid: 2 ** 22 - 1, started: "1" };
  const hourAgo = new Date(Date.now() - 3_600_000).toISOString();

  test("ours of a dead process is removed and told, whoever asks", async () => {
    for (const mode of ["shared", "exclusive"] as const) {
      const storage = memoryStorage();
      await plant(storage, { exclusive: true, hostname: "here", owner: gone, pid: 77 });
      const removed: number[] = [];
      await using _lock = await take(storage, mode, { onStaleRemoved: (holder) => removed.push(holder.pid) });
      assert.deepEqual(removed, [77]);
      assert.equal((await namesIn(storage)).length, 1);
    }
  });

  const program = `
    import { acquireLock } from ${JSON.stringify(new URL("./lock.ts", import.meta.url).href)};
    import { localStorage } from ${JSON.stringify(new URL("../storage/local.ts", import.meta.url).href)};
    const [encrypt, macK, macR] = process.env.HOLDFAST_TEST_KEY.split(" ").map((part) => Buffer.from(part, "hex"));
    const host = { hostname: "here", username: "tester", uid: 0, gid: 0 };
    const options = { signal: new AbortController().signal, now: () => new Date(), waitMs: 0 };
    await acquireLock({ storage: localStorage(process.argv[1]), key: { encrypt, macK, macR }, host }, "exclusive", options);
    process.kill(process.pid, "SIGKILL");`;
  const dying = ["--input-type=module", "--eval", program];
  const parts = [key.encrypt, key.macK, key.macR].map((part) => part.toString("hex"));
  const env = { ...process.env, HOLDFAST_TEST_KEY: parts.join(" ") };

  test("ours of a process that was killed is removed by the next run", async () => {
    using folder = temporaryFolder();
    const storage = localStorage(folder.path);
    await storage.create(signal);
    const { code, stderr } = await runCommand(process.execPath, [...dying, folder.path], { env });
    assert.equal(code, null, stderr);
    assert.equal((await namesIn(storage)).length, 1);
    const removed: string[] = [];
    await using _lock = await take(storage, "exclusive", { onStaleRemoved: ({ username }) => removed.push(username) });
    assert.deepEqual(removed, ["tester"]);
    assert.equal((await namesIn(storage)).length, 1);
  });

  test("ours of a process that was killed, and whose parent does not care, is removed as well", async () => {
    using folder = temporaryFolder();
    const storage = localStorage(folder.path);
    await storage.create(signal);
    const parent = spawn("sh", ["-c", '"$@" & exec sleep 120', "sh", process.execPath, ...dying, folder.path], {
      env,
      stdio: "ignore",
    });
    try {
      const isDead = (): boolean => {
        const children = readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, "utf8").trim();
        if (!/^\d+$/.test(children) || !/\) Z /.test(readFileSync(`/proc/${children}/stat`, "latin1"))) return false;
        // Its threads may end a moment after it.
        return readdirSync(`/proc/${children}/task`).length === 1;
      };
      await until(isDead, 30_000);
      assert.equal((await namesIn(storage)).length, 1);
      await using _lock = await take(storage, "exclusive");
    } finally {
      parent.kill("SIGKILL");
    }
  });

  test("ours of a container that died does not keep others out for ever", async () => {
    const storage = memoryStorage();
    const owner = { ...own, pidNamespace: "pid:[1]", pid: 1 };
    await plant(storage, { exclusive: true, hostname: "c0ffee", owner, pid: 2 });
    await assert.rejects(take(storage, "shared"), locked);
    await using _lock = await take(storage, "shared", { now: () => new Date(Date.now() + 31 * 60_000) });
    assert.equal((await namesIn(storage)).length, 1);
  });

  test("ours of a process that lives and is not shown to us keeps others out", async (t) => {
    const ask = `
      const { isLeftBehind, thisOwner } = await import(${JSON.stringify(new URL("./lock-owner.ts", import.meta.url).href)});
      const now = new Date();
      const [owner, dead] = JSON.parse(process.argv[1]);
      const lock = { time: now.toISOString(), exclusive: true, hostname: "here", username: "u", pid: 5, uid: 0, gid: 0 };
      const left = (change) => isLeftBehind({ ...lock, ...change }, thisOwner(), "here", now);
      console.log(JSON.stringify([left({ owner }), left({ owner, time: ${JSON.stringify(hourAgo)} }), left({ owner: dead })]));`;
    const asNobody = `mount -t proc -o hidepid=invisible proc /proc && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`;
    const asked = ["--input-type=module", "--eval", ask, JSON.stringify([own, gone])];
    const ran = await runCommand("unshare", ["-m", "sh", "-c", asNobody, "sh", process.execPath, ...asked]);
    if (ran.code !== 0) return t.skip(`no process can be hidden here (${ran.stderr.trim()})`);
    assert.deepEqual(JSON.parse(ran.stdout), [false, true, true]);
  });

  test("nothing is removed on a guess", () => {
    const now = new Date();
    const fresh = now.toISOString();
    const base: LockFile = { time: fresh, exclusive: true, hostname: "here", username: "u", pid: 5, uid: 0, gid: 0 };
    const left = (change: Partial<LockFile>): boolean => isLeftBehind({ ...base, ...change }, own, "here", now);
    assert.equal(left({ owner: gone }), true);
    // restic's own, however old and dead.
    assert.equal(left({ time: hourAgo, pid: 2 ** 22 - 1 }), false);
    assert.equal(left({ owner: own }), false, "alive");
    assert.equal(left({ owner: { ...own, started: "1" } }), true, "its number was given to another process");
    const contained = { ...gone, pidNamespace: "pid:[1]" };
    assert.equal(left({ owner: contained, hostname: "c0ffee" }), false, "another container, which may live");
    assert.equal(
      left({ owner: contained, hostname: "c0ffee", time: hourAgo }),
      true,
      "one that renews nothing any more",
    );
    const rebooted = { ...gone, boot: "another" };
    assert.equal(left({ owner: rebooted, time: hourAgo }), true, "before a restart");
    assert.equal(left({ owner: rebooted }), false, "before a restart, but renewed just now: a copy of the machine?");
    assert.equal(
      left({ owner: rebooted, time: hourAgo, hostname: "there" }),
      false,
      "another machine, with a clock of its own",
    );
    const weekAgo = new Date(Date.now() - 7 * 86_400_000).toISOString();
    assert.equal(left({ owner: rebooted, time: weekAgo, hostname: "there" }), true, "no clock is that wrong");
    assert.equal(left({ time: weekAgo, hostname: "there" }), false, "another program's");
  });
});

describe("holding locks on a bad day", () => {
  const isLost = (error: unknown): boolean => isHoldfastError(error, "lock-lost");
  /** A storage whose operations on locks hang, deaf to every signal, while `away.is` says so. */
  const hanging = (inner: Storage, away: { is: boolean }): Storage => {
    const perhaps = <T>(work: () => Promise<T>): Promise<T> => (away.is ? new Promise<T>(() => {}) : work());
    return {
      ...inner,
      save: (file, bytes, abort) => perhaps(() => inner.save(file, bytes, abort)),
      stat: (file, abort) => perhaps(() => inner.stat(file, abort)),
      remove: (file, abort) => perhaps(() => inner.remove(file, abort)),
    };
  };

  test("a laptop that slept for an hour writes nothing more, whether or not a timer ran", async () => {
    const storage = memoryStorage();
    let clock = Date.now();
    const parts = partsOf(storage, { pollMs: 3_600_000 });
    await using lock = await acquireLock(parts, "shared", { signal, now: () => new Date(clock), waitMs: 0 });
    await lock.check(signal);
    clock += 3_600_000;
    await assert.rejects(lock.check(signal), isLost);
    assert.ok(isLost(lock.lost.reason));
  });

  test("a clock that was set back does not keep a lock alive: the process' own goes on", async () => {
    const storage = memoryStorage();
    let wall = Date.now();
    let own = 0;
    const parts = { ...partsOf(storage), clock: () => own };
    await using lock = await acquireLock(parts, "shared", { signal, now: () => new Date(wall), waitMs: 0 });
    const [before] = await namesIn(storage);
    wall -= 3_600_000;
    own += 6 * 60_000;
    await until(async () => !(await namesIn(storage)).includes(before ?? ""));
    await lock.check(signal);
    own += 23 * 60_000;
    await assert.rejects(lock.check(signal), isLost);
  });

  test("a storage that hangs costs one renewal, and the lock when it hangs for too long", async () => {
    const inner = memoryStorage();
    const away = { is: false };
    let clock = Date.now();
    // Long enough for a renewal on a busy machine: one that is not through by then is not tried again by this clock.
    const renewalMs = 500;
    const parts = partsOf(hanging(inner, away), { renewalMs });
    await using lock = await acquireLock(parts, "shared", { signal, now: () => new Date(clock), waitMs: 0 });
    await lock.check(signal);
    const [before] = await namesIn(inner);
    away.is = true;
    clock += 6 * 60_000;
    await delay(renewalMs + 100);
    away.is = false;
    clock += 60_000;
    await until(async () => !(await namesIn(inner)).includes(before ?? ""));
    await lock.check(signal);
    away.is = true;
    clock += 6 * 60_000;
    const checking = assert.rejects(lock.check(signal), isLost);
    await delay(5);
    clock += 17 * 60_000;
    await checking;
    // Waits for nobody.
    await lock[Symbol.asyncDispose]();
  });

  test("a storage that refuses and then takes it leaves one lock file, and none at the end", async () => {
    const inner = memoryStorage();
    let refusals = 0;
    let clock = Date.now();
    const storage: Storage = {
      ...inner,
      // The answer got lost: the file is there all the same.
      save: async (file, bytes, abort) => {
        await inner.save(file, bytes, abort);
        if (refusals-- > 0) throw new HoldfastError("storage-unreachable");
      },
    };
    const lock = await take(storage, "shared", { now: () => new Date(clock) });
    refusals = 2;
    for (let round = 0; round < 4; round++) {
      clock += 6 * 60_000;
      await delay(20);
    }
    await until(async () => refusals < 0);
    await lock.check(signal);
    await lock[Symbol.asyncDispose]();
    assert.deepEqual(await namesIn(inner), []);
  });

  /** A way on which what is said of a single lock gets no answer, and another one. */
  const busy = (inner: Storage) => {
    const counts = { opened: 0, closed: 0, hang: false };
    const never = new Promise<never>(() => undefined);
    const storage: Storage = {
      ...inner,
      stat: (file, stopping) => (counts.hang ? never : inner.stat(file, stopping)),
      remove: (file, stopping) => (counts.hang ? never : inner.remove(file, stopping)),
      save: (file, bytes, stopping) => (counts.hang ? never : inner.save(file, bytes, stopping)),
    };
    const alone = (): Storage => {
      counts.opened++;
      return { ...inner, [Symbol.asyncDispose]: async () => void counts.closed++ };
    };
    return { counts, parts: { ...partsOf(storage, { patienceMs: 20 }), alone } };
  };

  test("a lock goes the way of everything else, and one of its own where that does not answer", async () => {
    const inner = memoryStorage();
    const { counts, parts } = busy(inner);
    let clock = Date.now();
    const lock = await acquireLock(parts, "shared", { signal, now: () => new Date(clock), waitMs: 0 });
    await lock.check(signal);
    assert.equal(counts.opened, 0);
    counts.hang = true;
    await lock.check(signal);
    const [before] = await namesIn(inner);
    clock += 6 * 60_000;
    await until(async () => !(await namesIn(inner)).includes(before ?? ""));
    await lock.check(signal);
    await lock[Symbol.asyncDispose]();
    assert.deepEqual(await namesIn(inner), []);
    assert.deepEqual([counts.opened, counts.closed], [1, 1]);
  });

  test("whoever goes back from another and looks again keeps that way until he has had the lock", async () => {
    const inner = memoryStorage();
    const { counts, parts } = busy(inner);
    const patient = { ...parts, timing: { ...parts.timing, secondLookMs: 100 } };
    const taking = acquireLock(patient, "exclusive", { signal, now: () => new Date(), waitMs: 10_000 });
    await until(async () => (await namesIn(inner)).length === 1);
    const [ours] = await namesIn(inner);
    const others = await plant(inner, {});
    counts.hang = true;
    await until(async () => !(await namesIn(inner)).includes(ours ?? ""));
    await inner.remove({ kind: "lock", name: others }, signal);
    const lock = await taking;
    assert.deepEqual([counts.opened, counts.closed], [1, 0]);
    await lock[Symbol.asyncDispose]();
    assert.deepEqual([counts.opened, counts.closed], [1, 1]);
  });

  test("whoever gets no lock leaves no connection", async () => {
    const inner = memoryStorage();
    const { counts, parts } = busy(inner);
    const patient = { ...parts, timing: { ...parts.timing, secondLookMs: 100 } };
    const taking = acquireLock(patient, "exclusive", { signal, now: () => new Date(), waitMs: 0 });
    taking.catch(() => undefined);
    await until(async () => (await namesIn(inner)).length === 1);
    await plant(inner, {});
    counts.hang = true;
    await assert.rejects(taking, locked);
    assert.deepEqual([counts.opened, counts.closed, (await namesIn(inner)).length], [1, 1, 1]);
  });
});

describe("removing locks", () => {
  const own = thisOwner();
  assert.ok(own);
  const noProcess = 2 ** 22 - 1;
  const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
  const unlock = async (storage: Storage, what: "dead" | "all") => {
    const { removed, kept } = await removeLocks(partsOf(storage), { signal, now: () => new Date(), what });
    const told = (found: typeof kept): string[] =>
      found.map(({ state, holder }) => `${state} ${holder?.pid}`).toSorted();
    return { removed: told(removed), kept: told(kept) };
  };

  test("only what nobody can hold any more, unless all are to go", async () => {
    const storage = memoryStorage();
    await plant(storage, { hostname: "here", pid: noProcess }); // restic's, of a process that ended
    await plant(storage, { hostname: "here", pid: process.pid }); // restic's, of one that lives
    await plant(storage, { hostname: "there", pid: noProcess - 1 }); // another machine's, just renewed
    await plant(storage, { hostname: "there", pid: 7, time: hourAgo });
    await plant(storage, { hostname: "here", pid: 8, owner: { ...own, pid: noProcess, started: "1" } });
    await plant(storage, { hostname: "here", pid: noProcess, owner: { ...own, pidNamespace: "pid:[1]" } });
    await storage.save({ kind: "lock", name: "ab".repeat(32) }, Buffer.alloc(0), signal);
    await storage.save({ kind: "lock", name: "cd".repeat(32) }, Buffer.alloc(50), signal);
    const kept = [`held ${noProcess - 1}`, `held ${noProcess}`, `held ${process.pid}`, "unreadable undefined"];
    assert.deepEqual(await unlock(storage, "dead"), {
      removed: [`dead ${noProcess}`, "dead 8", "dead undefined", "stale 7"].toSorted(),
      kept: kept.toSorted(),
    });
    assert.equal((await namesIn(storage)).length, 4);
    assert.deepEqual(await unlock(storage, "all"), { removed: kept.toSorted(), kept: [] });
    assert.deepEqual(await namesIn(storage), []);
  });
});

describe("holding locks", () => {
  test("a lock is renewed by a new file, and the old one goes", async () => {
    const storage = memoryStorage();
    let clock = Date.now();
    await using lock = await take(storage, "exclusive", { now: () => new Date(clock) });
    const [before] = await namesIn(storage);
    clock += 6 * 60_000;
    await until(async () => !(await namesIn(storage)).includes(before ?? "") && (await namesIn(storage)).length === 1);
    await lock.check(signal);
    assert.ok(!lock.lost.aborted);
  });

  test("a lock that cannot be renewed is lost after 22.5 minutes, not before", async () => {
    const inner = memoryStorage();
    let away = false;
    const storage: Storage = {
      ...inner,
      save: (file, bytes, abort) =>
        away ? Promise.reject(new HoldfastError("storage-unreachable")) : inner.save(file, bytes, abort),
    };
    let clock = Date.now();
    await using lock = await take(storage, "shared", { now: () => new Date(clock) });
    away = true;
    clock += 22 * 60_000;
    await delay(20);
    assert.ok(!lock.lost.aborted);
    clock += 60_000;
    await until(async () => lock.lost.aborted);
    assert.ok(isHoldfastError(lock.lost.reason, "lock-lost"));
    await assert.rejects(lock.check(signal), (error) => isHoldfastError(error, "lock-lost"));
  });

  test("a lock that came back in time is kept", async () => {
    const inner = memoryStorage();
    let away = true;
    let clock = Date.now();
    const storage: Storage = {
      ...inner,
      stat: (file, abort) =>
        away ? Promise.reject(new HoldfastError("storage-unreachable")) : inner.stat(file, abort),
    };
    await using lock = await take(storage, "shared", { now: () => new Date(clock) });
    const [before] = await namesIn(inner);
    clock += 6 * 60_000;
    await delay(20);
    away = false;
    clock += 60_000;
    await until(async () => !(await namesIn(inner)).includes(before ?? ""));
    assert.ok(!lock.lost.aborted);
  });

  test("a lock that somebody removed is noticed before anything is written under it", async () => {
    const storage = memoryStorage();
    await using lock = await take(storage, "shared");
    await lock.check(signal);
    for (const name of await namesIn(storage)) await storage.remove({ kind: "lock", name }, signal);
    await assert.rejects(lock.check(signal), (error) => isHoldfastError(error, "lock-lost"));
    assert.ok(lock.lost.aborted);
  });

  test("a lock that somebody removed is not renewed but lost, though nothing asks for it", async () => {
    const storage = memoryStorage();
    let clock = Date.now();
    await using lock = await take(storage, "shared", { now: () => new Date(clock) });
    await lock.check(signal);
    for (const name of await namesIn(storage)) await storage.remove({ kind: "lock", name }, signal);
    clock += 6 * 60_000;
    await until(async () => lock.lost.aborted);
    assert.ok(isHoldfastError(lock.lost.reason, "lock-lost"));
    assert.deepEqual(await namesIn(storage), []);
  });

  test("hang-ups are answered by staying alive, while a lock is held", async () => {
    const before = process.listenerCount("SIGHUP");
    const storage = memoryStorage();
    const lock = await take(storage, "shared");
    assert.equal(process.listenerCount("SIGHUP"), before + 1);
    process.kill(process.pid, "SIGHUP");
    await delay(5);
    await lock[Symbol.asyncDispose]();
    await lock[Symbol.asyncDispose]();
    assert.equal(process.listenerCount("SIGHUP"), before);
  });

  test("a lock is given back after its run was cancelled", async () => {
    const storage = memoryStorage();
    const stop = new AbortController();
    const lock = await take(storage, "shared", { signal: stop.signal });
    stop.abort();
    await lock[Symbol.asyncDispose]();
    assert.deepEqual(await namesIn(storage), []);
  });
});
