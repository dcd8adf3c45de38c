import assert from "node:assert/strict";
import { test } from "node:test";
import { type Alert, type AlertingOptions, openRoute } from "../../src/jobs/alerting.ts";
import { type Delivery, JobStore } from "../../src/jobs/store.ts";
import { keepAlert, tellWaiting } from "../../src/jobs/waiting-alerts.ts";
import { type WebHook, webHook } from "../support/web-hook.ts";

const { signal } = new AbortController();

test("an alert that does not get through is told later, in order, to those who lack it, and by the same number", async () => {
  const state = { answer: 503, nowMs: Date.parse("2026-03-12T14:00:00.000Z") };
  using web = await webHook(() => state.answer);
  using other = await webHook();
  using store = new JobStore(":memory:");
  const log: Delivery[] = [];
  const options = optionsFor([web, other], log, () => state.nowMs);
  keepAlert(store, "first", alertOf("failed"), state.nowMs);
  await tellWaiting(options, store, signal);
  assert.deepEqual([events(web), events(other)], [["failed", "failed", "failed"], ["failed"]], "a few tries at once");
  keepAlert(store, "second", alertOf("recovered"), state.nowMs);
  state.nowMs += 60_000;
  await tellWaiting(options, store, signal);
  assert.deepEqual(
    [events(web).length, events(other)],
    [3, ["failed", "recovered"]],
    "not before the first of the same",
  );
  state.answer = 200;
  keepAlert(store, "third", { ...alertOf("missed"), subject: "hourly/acme" }, state.nowMs);
  await tellWaiting(options, store, signal);
  assert.deepEqual(events(web).slice(3), ["missed"], "what is about something else does not wait");
  state.nowMs += 4 * 60_000;
  await tellWaiting(options, store, signal);
  assert.deepEqual(events(web).slice(4), ["failed", "recovered"]);
  assert.deepEqual(events(other), ["failed", "recovered", "missed"]);
  assert.equal(new Set(web.calls.map(({ headers }) => headers["x-holdfast-delivery"])).size, 3);
  state.nowMs += 5 * 60_000;
  await tellWaiting(options, store, signal);
  assert.equal(web.calls.length, 6);
  assert.deepEqual(
    log.filter(({ route }) => route === "0").map(({ outcome }) => outcome),
    ["failed", "sent", "sent", "sent"],
  );
});

test("what comes after an alert that did not get through waits for it, also when both are told together", async () => {
  const state = { answer: 503, nowMs: Date.parse("2026-03-12T14:00:00.000Z") };
  using web = await webHook(() => state.answer);
  using store = new JobStore(":memory:");
  const options = optionsFor([web], [], () => state.nowMs);
  // Nobody had told the first one yet: the service was started anew, say.
  keepAlert(store, "first", alertOf("failed"), state.nowMs);
  keepAlert(store, "second", alertOf("recovered"), state.nowMs);
  await tellWaiting(options, store, signal);
  assert.deepEqual(events(web), ["failed", "failed", "failed"]);
  state.answer = 200;
  state.nowMs += 60_000;
  await tellWaiting(options, store, signal);
  assert.equal(events(web).length, 3);
  state.nowMs += 4 * 60_000;
  await tellWaiting(options, store, signal);
  assert.deepEqual(events(web).slice(3), ["failed", "recovered"]);
});

test("an alert is given up when whoever gets it will not take it, or it is old", async () => {
  const state = { answer: 404, nowMs: Date.parse("2026-03-12T14:00:00.000Z") };
  using web = await webHook(() => state.answer);
  using store = new JobStore(":memory:");
  const options = optionsFor([web], [], () => state.nowMs);
  keepAlert(store, "refused", alertOf("failed"), state.nowMs);
  await tellWaiting(options, store, signal);
  state.nowMs += 10 * 60_000;
  await tellWaiting(options, store, signal);
  assert.deepEqual(events(web), ["failed"]);
  state.answer = 503;
  keepAlert(store, "old", alertOf("missed"), state.nowMs);
  await tellWaiting(options, store, signal);
  state.nowMs += 4 * 86_400_000;
  await tellWaiting(options, store, signal);
  state.nowMs += 10 * 60_000;
  await tellWaiting(options, store, signal);
  assert.deepEqual(events(web).slice(1), ["missed", "missed", "missed", "missed"]);
});

function alertOf(event: Alert["event"]): Alert {
  return { event, crm: "acme", subject: "daily/acme", timeMs: 0, facts: {} };
}

function optionsFor(hooks: readonly WebHook[], log: Delivery[], nowMs: () => number): AlertingOptions {
  return {
    open: (config) => openRoute(config, { secret: async () => "", version: "test" }),
    routes: hooks.map(({ url }, at) => ({
      ...{ name: `${at}`, kind: "webhook", on: ["failed", "missed", "recovered"] },
      url: { kind: "url", target: url },
    })),
    describe: ({ event }) => ({ title: event, text: event }),
    newId: () => "test",
    now: () => new Date(nowMs()),
    pause: async () => {},
    log: (delivery) => log.push(delivery),
  };
}

function events({ calls }: WebHook): readonly string[] {
  return calls.map(({ body }) => (JSON.parse(body) as { readonly event: string }).event);
}
