import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { configFromText } from "../../src/config/load.ts";
import { createKeyRing } from "../../src/engine/key-ring.ts";
import { openRoute } from "../../src/jobs/alerting.ts";
import { newRun } from "../../src/jobs/new-run.ts";
import { openDoor } from "../../src/jobs/run.ts";
import { serve } from "../../src/jobs/service.ts";
import { JobStore } from "../../src/jobs/store.ts";
import { engineHere } from "../support/holdfast-here.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";
import { webHook } from "../support/web-hook.ts";

test("what was told while no report could be written is not told again by a service that is started anew", async () => {
  using folder = temporaryFolder();
  using web = await webHook();
  using store = new JobStore(join(folder.path, "service.sqlite"));
  const location = join(folder.path, "backups");
  const config = configFromText(
    `crm: {name: acme, database: "sqlite:${folder.path}/crm.db"}
repository: {location: ${location}, password: "env:P"}
service: {preset: none, retry: {times: 0}, listen: "off"}
alerts: {routes: [{name: hook, kind: webhook, url: "${web.url}"}]}
`,
    join(folder.path, "holdfast.yaml"),
  );
  const engine = engineHere(join(folder.path, "state"));
  const keys = createKeyRing({ loadStorage: async () => engine.openStorage });
  let number = 0;
  const newId = () => String(number++);
  const begin = () => {
    const stop = new AbortController();
    const ended = serve({
      world: {
        door: openDoor({ loadEngine: async () => engine, keys, lockFolders: [folder.path] }),
        ...{ config, zone: "UTC", access: async () => ({ location, password: "correct horse" }) },
        ...{ earlier: () => [], request: () => {} },
      },
      ...{ store, host: "test", signal: stop.signal, now: () => new Date(), newId, log: () => {} },
      alerting: {
        open: (route) => openRoute(route, { secret: async () => "", version: "test" }),
        ...{ routes: config.alerts.routes, newId, now: () => new Date(), log: () => {} },
        ...{ describe: ({ event }) => ({ title: event, text: event }), pause: async () => {} },
      },
    });
    return async () => {
      stop.abort();
      await ended;
    };
  };
  const told = () => web.calls.map(({ body }) => (JSON.parse(body) as { facts: { error?: string } }).facts.error);
  const fail = async (count: number, subject: string) => {
    store.add(newRun({ id: newId(), item: "backup/acme", job: "backup", subject }, Date.now()));
    await until(() => told().length === count);
  };
  const end = begin();
  await fail(1, "acme");
  await fail(2, "is configured no more");
  // Whoever ends it before it has its answer would hear of it once more.
  await until(() => store.fact("alerts") === "[]");
  await end();
  assert.equal(new Set(told()).size, 2, "it failed for two reasons");
  const endAgain = begin();
  await sleep(3000);
  await endAgain();
  assert.equal(told().length, 2, told().join());
});
