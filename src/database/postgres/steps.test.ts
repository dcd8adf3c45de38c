import assert from "node:assert/strict";
import { test } from "node:test";
import { type Step, Steps } from "./steps.ts";

type Kind = Step<string>["kind"];
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Steps that run until they are ended, and what was begun and ended, in order. */
function world() {
  const steps = new Steps<string>();
  const told: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const step = (name: string, kind: Kind, tables: Partial<Pick<Step<string>, "alone" | "shared">>): Step<string> => ({
    kind,
    alone: [],
    shared: [],
    ...tables,
    run: async (session, beside) => {
      told.push(`${session}: ${name} beside ${beside}`);
      await new Promise<void>((resolve, reject) => {
        ends.set(name, (error) => (error ? reject(error) : resolve()));
      });
    },
  });
  const end = async (name: string, error?: Error): Promise<void> => {
    ends.get(name)?.(error);
    await turn();
  };
  return { steps, told, step, end };
}

test("a table is summed up once its key is built, beside its other indexes; the last step has nobody beside it", async () => {
  const { steps, told, step, end } = world();
  steps.add(step("sum", "sum", { shared: ["t"] }));
  steps.add(step("key", "build", { alone: ["t"] }), step("index", "build", { shared: ["t"] }));
  steps.end();
  const work = Promise.all([steps.work("a"), steps.work("b")]);
  await turn();
  assert.deepEqual(told.splice(0), ["a: key beside others"]);
  await end("key");
  assert.deepEqual(told.splice(0), ["a: index beside others", "b: sum beside others"]);
  await end("sum");
  await end("index");
  await work;
  const last = world();
  last.steps.add(last.step("sum", "sum", { shared: ["t"] }));
  const alone = last.steps.work("a");
  await last.end("sum");
  last.steps.add(last.step("index", "build", { shared: ["t"] }));
  last.steps.end();
  await turn();
  await last.end("index");
  await alone;
  assert.deepEqual(last.told, ["a: sum beside others", "a: index beside nobody"]);
});

test("steps that want the same table alone follow each other; after a failure nobody takes another one", async () => {
  const { steps, told, step, end } = world();
  steps.add(step("a-b", "build", { alone: ["a", "b"] }), step("b-c", "build", { alone: ["b", "c"] }));
  steps.add(step("c-d", "build", { alone: ["c", "d"] }), step("d-e", "build", { alone: ["d", "e"] }));
  steps.end();
  const work = Promise.allSettled([steps.work("1"), steps.work("2")]);
  await turn();
  assert.deepEqual(told.splice(0), ["1: a-b beside others", "2: c-d beside others"]);
  await end("a-b");
  assert.deepEqual(told.splice(0), [], "each of the others wants what another one has");
  await end("c-d", new Error("no room"));
  const results = await work;
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
  assert.deepEqual(told, []);
  assert.throws(() => steps.throwIfFailed(), { message: "no room" });
});
