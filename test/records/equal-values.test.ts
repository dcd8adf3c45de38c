import assert from "node:assert/strict";
import { test } from "node:test";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { conflicts, onMariadb, onPostgres, onSqlite, type SmallWorld } from "../support/records-world.ts";

const exact = { switches: { updateChanged: true, removeNewer: true } };

/** Values that are unique whatever their case; `code` may be NULL, `place` may not. */
function coded(column: string, table = ""): string {
  return `CREATE TABLE coded (id INTEGER PRIMARY KEY, code ${column} UNIQUE, place ${column} NOT NULL UNIQUE)${table};
    INSERT INTO coded VALUES (1, 'alpha', 'one'), (2, 'beta', 'two'), (3, 'gamma', 'three'), (4, 'delta', 'four')`;
}

/** What the database takes for equal is what one row has to let go of before another can take it. */
async function tradingPlaces({ crm, sql }: SmallWorld): Promise<void> {
  const all = "SELECT id, code, place FROM coded ORDER BY id";
  await crm.backup();
  const before = await sql(all);
  await sql(
    `UPDATE coded SET code = NULL, place = 'x' || id WHERE id < 3; UPDATE coded SET code = 'BETA' WHERE id = 1;
    UPDATE coded SET code = 'Alpha' WHERE id = 2`.replaceAll("'x' || id", "CONCAT('x', id)"),
  );
  // One behind the other: the first gets what the second has, and so on.
  await sql("UPDATE coded SET place = 'FIVE' WHERE id = 4; UPDATE coded SET place = 'FOUR' WHERE id = 3");
  await sql("UPDATE coded SET place = 'THREE' WHERE id = 2; UPDATE coded SET place = 'TWO' WHERE id = 1");
  const damaged = await sql(all);
  const plan = await crm.plan({ compared: ["changed"] }, exact);
  assert.deepEqual(conflicts(plan), {});
  assert.deepEqual((await crm.apply(plan)).failed, []);
  assert.equal(await sql(all), before);
  assert.deepEqual((await crm.undo()).failed, []);
  assert.equal(await sql(all), damaged);
}

/** Three go round, of which none may be NULL, and two names, of which one is short. */
async function goingRound({ crm, sql }: SmallWorld): Promise<void> {
  const all = "SELECT id, pos, name FROM step ORDER BY id";
  await crm.backup();
  const before = await sql(all);
  await sql("UPDATE step SET pos = pos + 10, name = CONCAT('x', id)");
  await sql("UPDATE step SET pos = 2, name = 'b' WHERE id = 1; UPDATE step SET pos = 3, name = 'a' WHERE id = 2");
  await sql("UPDATE step SET pos = 1, name = 'c' WHERE id = 3");
  const damaged = await sql(all);
  await crm.apply(await crm.plan({ compared: ["changed"] }, exact));
  assert.equal(await sql(all), before);
  assert.deepEqual((await crm.undo()).failed, []);
  assert.equal(await sql(all), damaged);
}

const round = (text: string): string =>
  `CREATE TABLE step (id INTEGER PRIMARY KEY, pos INTEGER NOT NULL UNIQUE, name ${text} NOT NULL UNIQUE);
   INSERT INTO step VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')`;

test("values that go round, where none may be NULL, on SQLite", () => onSqlite(round("TEXT"), goingRound));

test("the same on PostgreSQL", () => onPostgres(round("varchar(4)"), goingRound));

test("the same on MariaDB", () => onMariadb(round("VARCHAR(4)"), goingRound));

test("values that trade places and differ in their case alone are no trouble on SQLite", () =>
  onSqlite(coded("TEXT COLLATE NOCASE"), tradingPlaces));

test("the same on PostgreSQL", () =>
  onPostgres(
    `CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false); ${coded("text COLLATE anycase")}`,
    tradingPlaces,
  ));

test("the same on MariaDB", () => onMariadb(coded("VARCHAR(20)", " COLLATE utf8mb4_unicode_ci"), tradingPlaces));

test("of two keys that differ in their case alone, just the one is changed or removed", () =>
  onSqlite(
    `CREATE TABLE tag (name TEXT COLLATE NOCASE NOT NULL, body TEXT); CREATE UNIQUE INDEX tag_name ON tag (name COLLATE BINARY);
     INSERT INTO tag VALUES ('red', 'first'), ('RED', 'second')`,
    async ({ crm, sql }) => {
      const all = "SELECT name, body FROM tag ORDER BY name COLLATE BINARY";
      await crm.backup();
      await sql(
        "UPDATE tag SET body = 'spoiled' WHERE name = 'red' COLLATE BINARY; INSERT INTO tag VALUES ('Red', 'new')",
      );
      await crm.apply(await crm.plan({ compared: ["changed", "created"] }, exact));
      assert.equal(await sql(all), "RED|second\nred|first");
      await crm.undo();
      assert.equal(await sql(all), "RED|second\nRed|new\nred|spoiled");
    },
  ));

/** A row may name another in a way that only the database takes for its name. */
async function namedOtherwise({ crm, sql, engine }: SmallWorld): Promise<void> {
  await crm.backup();
  const all = "SELECT order_.id, kind.code FROM order_ JOIN kind ON kind.code = order_.kind ORDER BY order_.id";
  const before = await sql(all);
  for (const selection of [{ compared: ["deleted" as const] }, { handles: ["order_/1", "order_/2", "order_/3"] }]) {
    await sql("DELETE FROM order_; DELETE FROM kind");
    const plan = await crm.plan(selection);
    assert.deepEqual(conflicts(plan), {}, engine);
    await crm.apply(plan);
    assert.equal(await sql(all), before);
    assert.deepEqual((await crm.undo()).failed, []);
    assert.equal(await sql(all), "");
    await crm.apply(await crm.plan(selection));
  }
}

const kinds = (column: string, table = ""): string =>
  `CREATE TABLE kind (code ${column} PRIMARY KEY)${table};
   CREATE TABLE order_ (id INTEGER PRIMARY KEY, kind ${column} NOT NULL, FOREIGN KEY (kind) REFERENCES kind (code))${table};
   INSERT INTO kind VALUES ('Standard'), ('Express'); INSERT INTO order_ VALUES (1, 'STANDARD'), (2, 'Express'), (3, 'standard')`;

test("a row that names another in another case comes back with it, and behind it", async () => {
  await onSqlite(kinds("TEXT COLLATE NOCASE"), namedOtherwise);
  await onMariadb(kinds("VARCHAR(20)", " COLLATE utf8mb4_unicode_ci"), namedOtherwise);
});

/** An index that knows no case, over a column that does; and the other way round. */
const indexed = (column: string, any: string, bytes: string): string =>
  `CREATE TABLE login (id INTEGER PRIMARY KEY, email TEXT${bytes}, code ${column});
   CREATE UNIQUE INDEX login_email ON login (email${any}); CREATE UNIQUE INDEX login_code ON login (code${bytes});
   INSERT INTO login VALUES (1, 'eva@example.org', 'a'), (2, 'li@example.org', 'A'), (3, 'zhang@example.org', 'c')`;

async function byTheIndex({ crm, sql }: SmallWorld): Promise<void> {
  await crm.backup();
  await sql("DELETE FROM login WHERE id <> 2; INSERT INTO login VALUES (4, 'EVA@example.org', 'd')");
  const plan = await crm.plan({ compared: ["deleted"] });
  assert.deepEqual(conflicts(plan), { "login/1": "conflict unique-taken email eva@example.org: login/4" });
  await crm.apply(plan);
  assert.equal(await sql("SELECT id FROM login ORDER BY id"), "2\n3\n4");
  await sql("DELETE FROM login WHERE id = 4");
  assert.deepEqual(conflicts(await crm.plan({ compared: ["deleted"] })), {});
  await crm.apply(await crm.plan({ compared: ["deleted"] }));
  assert.equal(await sql("SELECT id, code FROM login ORDER BY id"), "1|a\n2|A\n3|c");
}

test("whose value is taken is said by the index that makes it unique, whatever its columns are compared by", () =>
  onSqlite(indexed("TEXT COLLATE NOCASE", " COLLATE NOCASE", " COLLATE BINARY"), byTheIndex));

test("the same on PostgreSQL, where an index has a collation of its own, too", () =>
  onPostgres(
    `CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
     ${indexed("text COLLATE anycase", " COLLATE anycase", ' COLLATE "C"')}`,
    byTheIndex,
  ));

test("a statement that touches another number of rows than it is meant for ends the plan", () =>
  onPostgres(
    "CREATE TABLE kept (id integer PRIMARY KEY, body text); INSERT INTO kept VALUES (1, 'first'), (2, 'second')",
    async ({ crm, sql }) => {
      await crm.backup();
      await sql("INSERT INTO kept VALUES (3, 'new'); UPDATE kept SET body = 'changed' WHERE id = 1");
      await sql("CREATE RULE keeps AS ON DELETE TO kept DO INSTEAD NOTHING");
      await sql("CREATE RULE stays AS ON UPDATE TO kept WHERE old.id = 1 DO INSTEAD NOTHING");
      for (const compared of ["created", "changed"] as const) {
        await assert.rejects(crm.plan({ compared: [compared] }, exact), (error: unknown) =>
          isHoldfastError(error, "rows-miscounted"),
        );
      }
      await sql("DROP RULE keeps ON kept; DROP RULE stays ON kept");
      await crm.apply(await crm.plan({ compared: ["created", "changed"] }, exact));
      assert.equal(await sql("SELECT id, body FROM kept ORDER BY id"), "1|first\n2|second");
    },
  ));

test("rows by a key of bits are found on MariaDB", () =>
  onMariadb(
    "CREATE TABLE flag (bits BIT(12) PRIMARY KEY, body VARCHAR(20)); INSERT INTO flag VALUES (b'100000000001', 'a'), (3, 'b'), (0, 'c')",
    async ({ crm, sql }) => {
      await crm.backup();
      const all = "SELECT bits + 0, body FROM flag ORDER BY 1";
      const before = await sql(all);
      await sql("UPDATE flag SET body = 'spoiled' WHERE bits <> 3; DELETE FROM flag WHERE bits = 3");
      await crm.apply(await crm.plan({ compared: ["changed", "deleted"] }, exact));
      assert.equal(await sql(all), before);
    },
  ));
