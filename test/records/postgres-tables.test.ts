import assert from "node:assert/strict";
import { test } from "node:test";
import { conflicts, onPostgres, type SmallWorld } from "../support/records-world.ts";

const gone = { compared: ["deleted"] } as const;

/** Damages, restores what is gone, and gives what a query finds after it, and after its undo. */
async function restored({ crm, sql }: SmallWorld, damage: string, query: string): Promise<readonly string[]> {
  await sql(damage);
  const plan = await crm.plan({ ...gone });
  assert.deepEqual(conflicts(plan), {});
  await crm.apply(plan);
  const after = await sql(query);
  assert.deepEqual((await crm.undo()).failed, []);
  return [after, await sql(query)];
}

test("sequences go onward, whichever way they count, and none is asked for what it cannot give", () =>
  onPostgres(
    `CREATE SEQUENCE number; CREATE TABLE coded (id text PRIMARY KEY DEFAULT 'C' || nextval('number'), body text);
     CREATE SEQUENCE down INCREMENT -1; CREATE TABLE downward (id integer PRIMARY KEY DEFAULT nextval('down'), body text);
     CREATE SEQUENCE short MAXVALUE 100; CREATE TABLE reserved (id integer PRIMARY KEY DEFAULT nextval('short'), body text);
     CREATE DOMAIN counted AS integer; CREATE SEQUENCE up; CREATE TABLE upward (id counted PRIMARY KEY DEFAULT nextval('up'), body text);
     INSERT INTO coded (body) VALUES ('a'), ('b'); INSERT INTO downward (body) VALUES ('a'), ('b'), ('c');
     INSERT INTO reserved VALUES (500, 'kept apart'); INSERT INTO reserved (body) VALUES ('a'); INSERT INTO upward VALUES (7, 'a')`,
    async (world) => {
      const { crm, sql } = world;
      await crm.backup();
      await sql(
        "DELETE FROM coded WHERE body = 'a'; DELETE FROM downward WHERE body = 'a'; DELETE FROM reserved; DELETE FROM upward",
      );
      const counters =
        "SELECT n.last_value, d.last_value, s.last_value, u.last_value FROM number n, down d, short s, up u";
      const plan = await crm.plan({ ...gone });
      assert.equal(await sql(counters), "2|-3|1|1", "a plan moves no counter");
      assert.deepEqual((await crm.apply(plan)).failed, []);
      assert.equal(await sql(counters), "2|-3|1|7");
      await sql(
        "INSERT INTO downward (body) VALUES ('d'); INSERT INTO upward (body) VALUES ('b'); INSERT INTO coded (body) VALUES ('c')",
      );
      assert.equal(await sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM downward"), "-4 -3 -2 -1");
      assert.equal(await sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM upward"), "7 8");
      assert.equal(await sql("SELECT string_agg(id, ' ' ORDER BY id) FROM coded"), "C1 C2 C3");
    },
  ));

test("rows that name each other come back where the database may put its checks off", () =>
  onPostgres(
    `CREATE TABLE team (id integer PRIMARY KEY, lead integer NOT NULL);
     CREATE TABLE member (id integer PRIMARY KEY, team integer NOT NULL REFERENCES team DEFERRABLE);
     ALTER TABLE team ADD FOREIGN KEY (lead) REFERENCES member DEFERRABLE;
     BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO team VALUES (1, 1); INSERT INTO member VALUES (1, 1), (2, 1); COMMIT`,
    async (world) => {
      await world.crm.backup();
      const damage = "BEGIN; SET CONSTRAINTS ALL DEFERRED; DELETE FROM team; DELETE FROM member; COMMIT";
      const [after, undone] = await restored(world, damage, "SELECT team.*, member.* FROM team, member ORDER BY 3");
      assert.deepEqual([after, undone], ["1|1|1|1\n1|1|2|1", ""]);
    },
  ));

test("a row that names one of a table in partitions finds it in whichever it is", () =>
  onPostgres(
    `CREATE TABLE sale (id integer, year integer, body text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
     CREATE TABLE sale_old PARTITION OF sale FOR VALUES IN (2024, 2025);
     CREATE TABLE sale_new PARTITION OF sale DEFAULT PARTITION BY RANGE (id);
     CREATE TABLE sale_new_small PARTITION OF sale_new FOR VALUES FROM (1) TO (100);
     CREATE TABLE sale_new_large PARTITION OF sale_new DEFAULT;
     CREATE TABLE line (id integer PRIMARY KEY, sale integer NOT NULL, year integer NOT NULL, FOREIGN KEY (sale, year) REFERENCES sale);
     INSERT INTO sale VALUES (1, 2025, 'old'), (2, 2026, 'new'), (200, 2026, 'large');
     INSERT INTO line VALUES (1, 1, 2025), (2, 2, 2026), (3, 200, 2026), (4, 200, 2026)`,
    async (world) => {
      const { crm, sql } = world;
      await crm.backup();
      const all = "SELECT line.id, line.sale, body FROM line JOIN sale ON sale.id = line.sale ORDER BY 1";
      const before = await sql(all);
      assert.deepEqual(await restored(world, "DELETE FROM line WHERE id < 4", all), [before, "4|200|large"]);
      assert.deepEqual(await restored(world, "DELETE FROM line; DELETE FROM sale", all), [before, ""]);
      // A line brings back what it names.
      await crm.apply(await crm.plan({ handles: ["line/3"] }));
      assert.equal(await sql(all), "3|200|large");
    },
  ));

test("a value that is unique among some rows alone is taken only by those", () =>
  onPostgres(
    `CREATE TABLE person (id integer PRIMARY KEY, email text, gone date, large text GENERATED ALWAYS AS (upper(email)) STORED);
     CREATE UNIQUE INDEX ON person (email) WHERE gone IS NULL;
     INSERT INTO person VALUES (1, 'a', NULL), (2, 'b', NULL), (3, 'a', '2026-01-01'), (4, 'c', NULL), (5, 'd', '2026-01-02')`,
    async ({ crm, sql }) => {
      await crm.backup();
      const all = "SELECT id, email, gone FROM person ORDER BY id";
      const before = await sql(all);
      const exact = { switches: { updateChanged: true } };
      // Two trade places, one says that it is gone and another has its value, one that was gone is there.
      await sql(`UPDATE person SET email = 'x' WHERE id = 1; UPDATE person SET email = 'a' WHERE id = 2; UPDATE person SET email = 'b' WHERE id = 1;
        UPDATE person SET gone = '2026-02-02' WHERE id = 4; UPDATE person SET email = 'c', gone = NULL WHERE id = 5; DELETE FROM person WHERE id = 3`);
      const damaged = await sql(all);
      const plan = await crm.plan({ compared: ["changed", "deleted"] }, exact);
      assert.deepEqual(conflicts(plan), {});
      await crm.apply(plan);
      assert.equal(await sql(all), before);
      await crm.undo();
      assert.equal(await sql(all), damaged);
      await sql(
        "DELETE FROM person; INSERT INTO person VALUES (9, 'a', NULL), (10, 'd', NULL), (11, 'c', '2026-01-01')",
      );
      assert.deepEqual(conflicts(await crm.plan({ compared: ["deleted"] })), {
        "person/1": "conflict unique-taken email a: person/9",
      });
    },
  ));
