import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { renewedLogin } from "./renewed-login.ts";

/** A server that takes the newest of these keys alone, and connections to it that are counted. */
function world(renewMs: number) {
  const state = { key: 1, asked: 0, open: new Set<number>(), made: 0 };
  const login = renewedLogin(
    { KEY: "1" },
    ({ KEY: key }) => {
      const connection = { key: Number(key), number: ++state.made };
      state.open.add(connection.number);
      return connection;
    },
    async (signal) => {
      state.asked++;
      await wait(renewMs, undefined, { signal });
      return { KEY: String(state.key) };
    },
    ({ number }) => state.open.delete(number),
  );
  const ask = (signal: AbortSignal, takesMs = 0) =>
    login.use(signal, async ({ key }) => {
      if (key !== state.key) throw new HoldfastError("storage-login", {});
      await wait(takesMs);
      return key;
    });
  return { state, login, ask };
}

const { signal } = new AbortController();

test("who stops waiting for a new login does not take it from the others", async () => {
  const { state, ask } = world(60);
  state.key = 2;
  const hasty = ask(AbortSignal.timeout(10));
  const patient = ask(signal);
  await assert.rejects(hasty, { name: "TimeoutError" });
  assert.equal(await patient, 2);
  assert.equal(state.asked, 1);
});

test("a login that nobody waits for any more is not asked for further", async () => {
  const { state, ask } = world(60_000);
  state.key = 2;
  const all = [ask(AbortSignal.timeout(10)), ask(AbortSignal.timeout(20))];
  const ended = await Promise.allSettled(all);
  assert.deepEqual(
    ended.map((one) => one.status === "rejected" && (one.reason as Error).name),
    ["TimeoutError", "TimeoutError"],
  );
  // The next one asks anew: the one before has been stopped, or this would not end.
  await assert.rejects(ask(AbortSignal.timeout(10)), { name: "TimeoutError" });
  assert.equal(state.asked, 2);
});

test("of logins that run out for as long as a service runs no more than one connection stays, but those in use", async () => {
  const { state, login, ask } = world(0);
  const long = ask(signal, 100);
  for (let hour = 0; hour < 24; hour++) {
    state.key++;
    assert.equal(await ask(signal), state.key);
    assert.ok(state.open.size <= 2, `${state.open.size} are open`);
  }
  assert.equal(await long, 1);
  assert.equal(state.open.size, 1);
  assert.equal(login.taken().length, 1);
});

test("a login that is refused and has not changed stays refused", async () => {
  const { state, ask } = world(0);
  const refused = ask(signal);
  assert.equal(await refused, 1);
  state.key = Number.NaN;
  await assert.rejects(ask(signal), (error) => isHoldfastError(error, "storage-login"));
  assert.equal(state.asked, 1);
});
