import assert from "node:assert/strict";
import { test } from "node:test";
import type { TableSchema } from "../database.ts";
import { buildStatements } from "./build-statements.ts";

const table = (schema: string, name: string): TableSchema => ({
  schema,
  name,
  columns: [],
  keyLength: 0,
  foreignKeys: [],
  fingerprint: "",
});
const tables = [table("public", "company"), table("public", 'Odd "one" ON x')];
const statements = (groups: ReturnType<typeof buildStatements>["rest"]) =>
  groups.map((group) => group.map(({ sql }) => sql));

test("indexes of tables with rows are told apart, with what they lock; all else keeps its order", () => {
  const key = "ALTER TABLE ONLY public.company\n    ADD CONSTRAINT company_pkey PRIMARY KEY (id)";
  const index = `CREATE UNIQUE INDEX "an ON index" ON public."Odd ""one"" ON x" USING btree (lower(name))`;
  const after = [
    key,
    index,
    "ALTER TABLE public.company CLUSTER ON company_pkey",
    "CREATE INDEX seen ON public.materialised USING btree (id)",
    "CREATE TRIGGER t BEFORE INSERT ON public.company FOR EACH ROW EXECUTE FUNCTION public.f()",
  ];
  const { indexes, rest } = buildStatements({ before: [], after, tables });
  assert.deepEqual(indexes, [
    {
      sql: key,
      alone: ['"public"."company"'],
      shared: [],
      apart: {
        index: 'CREATE UNIQUE INDEX company_pkey ON "public"."company" USING btree (id)',
        key: 'ALTER TABLE ONLY "public"."company" ADD CONSTRAINT company_pkey PRIMARY KEY USING INDEX company_pkey',
      },
    },
    { sql: index, alone: [], shared: ['"public"."Odd ""one"" ON x"'] },
  ]);
  assert.deepEqual(
    statements(rest),
    after.slice(2).map((sql) => [sql]),
  );
});

test("a key of which more is said than its columns is built as it is written", () => {
  const key = 'ALTER TABLE ONLY public.company\n    ADD CONSTRAINT company_pkey UNIQUE (id, "B, c")';
  for (const ending of [" DEFERRABLE", " INCLUDE (name)", " WITH (fillfactor='70')"]) {
    const { indexes } = buildStatements({ before: [], after: [key, key + ending], tables });
    assert.deepEqual(
      indexes.map(({ apart }) => apart?.index),
      ['CREATE UNIQUE INDEX company_pkey ON "public"."company" USING btree (id, "B, c")', undefined],
    );
  }
});

test("foreign keys are added unchecked, and the checks of those that follow each other are one group, unless tables are partitioned", () => {
  const refers = (child: string, parent: string) =>
    `ALTER TABLE ONLY public.${child}\n    ADD CONSTRAINT "f k" FOREIGN KEY (a, "B, c") REFERENCES public.${parent}(a, b) ON DELETE CASCADE`;
  const trigger = "CREATE TRIGGER t BEFORE INSERT ON public.company FOR EACH ROW EXECUTE FUNCTION public.f()";
  const loose = `${refers("a", "c")} NOT VALID`;
  const after = [trigger, refers("a", "b"), refers('"C"', "b"), trigger, refers("d", "d"), loose];
  const { rest } = buildStatements({ before: [], after, tables });
  const check = (child: string) => `ALTER TABLE ONLY "public".${child} VALIDATE CONSTRAINT "f k"`;
  assert.deepEqual(statements(rest), [
    [trigger],
    [`${after[1]} NOT VALID`],
    [`${after[2]} NOT VALID`],
    [check('"a"'), check('"C"')],
    [trigger],
    [`${after[4]} NOT VALID`],
    [check('"d"')],
    [loose],
  ]);
  assert.deepEqual(rest[3]?.[1], { sql: check('"C"'), alone: ['"public"."C"'], shared: [] });
  const before = ["CREATE TABLE public.b (a integer) PARTITION BY RANGE (a)"];
  assert.deepEqual(
    statements(buildStatements({ before, after, tables }).rest),
    after.map((sql) => [sql]),
  );
});
