import assert from "node:assert/strict";
import { test } from "node:test";
import { IdleStorages } from "./idle-storages.ts";
import { memoryStorage } from "./memory.ts";
import type { Storage } from "./storage.ts";

test("what is closed is lent again for a moment, to one at a time, and then really closed", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const idle = new IdleStorages();
  const opened: string[] = [];
  const closed: string[] = [];
  const take = (name: string): Promise<Storage> =>
    idle.take(name, async () => {
      const one = `${name} ${opened.length + 1}`;
      opened.push(one);
      return { ...memoryStorage(), location: one, [Symbol.asyncDispose]: async () => void closed.push(one) };
    });
  {
    await using first = await take("a");
    await using second = await take("a");
    assert.deepEqual([first.location, second.location], ["a 1", "a 2"]);
  }
  const again = await take("a");
  const other = await take("b");
  await using third = await take("a");
  const fourth = await take("a");
  assert.deepEqual(opened, ["a 1", "a 2", "b 3", "a 4"]);
  assert.notEqual(third.location, again.location);
  assert.deepEqual(closed, []);
  await again[Symbol.asyncDispose]();
  await again[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  context.mock.timers.tick(2001);
  assert.deepEqual(new Set(closed), new Set([again.location, "b 3"]));
  await fourth[Symbol.asyncDispose]();
  assert.equal((await take("a")).location, "a 4");
});

test("what is used briefly is lent to somebody else beside, and closed after both", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const idle = new IdleStorages();
  let [opened, closed] = [0, 0];
  const open = async (): Promise<Storage> => {
    const location = `${++opened}`;
    return { ...memoryStorage(), location, [Symbol.asyncDispose]: async () => void closed++ };
  };
  const [brief, long] = await Promise.all([idle.take("a", open, "brief"), idle.take("a", open)]);
  const another = await idle.take("a", open);
  assert.deepEqual([brief.location, long.location, another.location], ["1", "1", "2"]);
  await brief[Symbol.asyncDispose]();
  assert.equal((await idle.take("a", open, "brief")).location, "3", "not beside what may take long");
  context.mock.timers.tick(2001);
  assert.equal(closed, 0);
  await long[Symbol.asyncDispose]();
  context.mock.timers.tick(2001);
  assert.equal(closed, 1);
  const failing = () => Promise.reject(new Error("no"));
  await assert.rejects(idle.take("b", failing), /no/);
  assert.equal((await idle.take("b", open)).location, "4", "a failure is not lent");
});
