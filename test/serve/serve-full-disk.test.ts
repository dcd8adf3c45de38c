import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { configFromText } from "../../src/config/load.ts";
import { createKeyRing } from "../../src/engine/key-ring.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { newRun } from "../../src/jobs/new-run.ts";
import { openDoor } from "../../src/jobs/run.ts";
import { serve, type ServiceLog } from "../../src/jobs/service.ts";
import { JobStore } from "../../src/jobs/store.ts";
import { localStorage } from "../../src/storage/local.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { smallCrm } from "../support/small-crm.ts";
import { diskLacks, smallDisk } from "../support/small-disk.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

const lacks = await diskLacks();

test(
  "a state folder that is full ends neither the service nor what it does, and what happened is written down afterwards",
  { ...(lacks !== undefined && { skip: lacks }) },
  async () => {
    using folder = temporaryFolder();
    await using disk = await smallDisk(4);
    const crm = await smallCrm(folder.path);
    using store = new JobStore(join(disk.path, "service.sqlite"));
    const config = configFromText(
      `crm: {name: acme, platform: custom, database: "sqlite:${crm.database}"}
repository: {location: ${crm.access.location}, password: "env:P"}
service: {preset: none, retry: {times: 0}, listen: "off"}
`,
      crm.configFile,
    );
    let onSave: () => void = () => {};
    const openStorage = (location: string): Storage => {
      const storage = localStorage(location);
      const save: Storage["save"] = async (file, bytes, signal) => {
        if (file.kind === "data") onSave();
        await storage.save(file, bytes, signal);
      };
      return { ...storage, save };
    };
    const engine = { ...crm.engine, openStorage };
    const keys = createKeyRing({ loadStorage: async () => engine.openStorage });
    const stop = new AbortController();
    const told: ServiceLog[] = [];
    let number = 0;
    const newId = (): string => String(number++);
    let state: { readonly error?: unknown } | undefined;
    const ended = serve({
      world: {
        door: openDoor({ loadEngine: async () => engine, keys, lockFolders: [folder.path] }),
        ...{ config, zone: "UTC", access: async () => crm.access, earlier: () => [], request: () => {} },
      },
      ...{ store, host: "test", signal: stop.signal, now: () => new Date(), newId, log: (one) => void told.push(one) },
      alerting: {
        open: () => assert.fail(),
        ...{ routes: [], newId, now: () => new Date(), log: () => {} },
        ...{ describe: ({ event }) => ({ title: event, text: event }), pause: async () => {} },
      },
    }).then(
      () => (state = {}),
      (error: unknown) => (state = { error }),
    );
    const isRunning = (): void => assert.equal(state, undefined, String(state?.error));
    const troubles = () => told.filter((one) => one.type === "trouble" && one.doing === "state").length;
    const queue = (id: string): void =>
      store.add(newRun({ id, item: "backup/acme", job: "backup", subject: "acme" }, Date.now()));

    // Full before it begins.
    queue("first");
    disk.fill(0);
    await until(() => troubles() > 0 || state !== undefined);
    await sleep(1500);
    isRunning();
    assert.equal(store.get("first")?.state, "queued");
    disk.free();
    await until(() => store.get("first")?.state === "ended" || state !== undefined);
    assert.equal(store.get("first")?.outcome, "ok");

    // Full while it runs, until after its end.
    await until(() => store.get("first")?.reported === true);
    let filled = 0;
    onSave = () => {
      if (filled++ === 0) disk.fill(0);
    };
    crm.sql("UPDATE contact SET name = name || '!' WHERE id % 2 = 0");
    queue("second");
    await until(() => filled > 0 || state !== undefined);
    await sleep(4000);
    isRunning();
    assert.equal(store.get("second")?.state, "running");
    disk.free();
    await until(() => store.get("second")?.state === "ended" || state !== undefined);
    const { outcome, attempts } = store.get("second") ?? {};
    assert.deepEqual([outcome, attempts], ["ok", 1]);
    await until(() => store.get("second")?.reported === true);
    stop.abort();
    await ended;
    assert.deepEqual(state, {});
    assert.ok(troubles() <= 2, "told once a minute at most");
    const first = told.find((one) => one.type === "trouble");
    assert.ok(first?.type === "trouble" && isHoldfastError(first.error, "state-unwritable"));
  },
);
