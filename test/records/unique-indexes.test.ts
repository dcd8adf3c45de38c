import assert from "node:assert/strict";
import { test } from "node:test";
import { conflicts, onMariadb, onPostgres, onSqlite, type SmallWorld } from "../support/records-world.ts";

const exact = { switches: { updateChanged: true, removeNewer: true } };
const all = "SELECT id, email, gone FROM login ORDER BY id";

/** `email` is unique in a way that only the database can work out: 1 and 2 are looked at as they trade places. */
async function computed({ crm, sql }: SmallWorld): Promise<void> {
  await crm.backup();
  const before = await sql(all);
  await sql("DELETE FROM login WHERE id <> 2; INSERT INTO login (id, email, gone) VALUES (4, 'EVA@example.org', 0)");
  const deleted = await crm.plan({ compared: ["deleted"] });
  assert.match(conflicts(deleted)["login/1"] ?? "", /^conflict unique-taken .*: login\/4$/);
  assert.deepEqual(Object.keys(conflicts(deleted)), ["login/1"]);
  await crm.apply(deleted);
  assert.equal(await sql("SELECT id FROM login ORDER BY id"), "2\n3\n4");
  assert.deepEqual(conflicts(await crm.plan({ compared: ["deleted", "created"] }, exact)), {});
  await crm.apply(await crm.plan({ compared: ["deleted", "created"] }, exact));
  assert.equal(await sql(all), before);

  await sql("UPDATE login SET email = 'x' WHERE id = 1; UPDATE login SET email = 'EVA@example.org' WHERE id = 2");
  await sql("UPDATE login SET email = 'Li@example.org' WHERE id = 1");
  const damaged = await sql(all);
  const changed = await crm.plan({ compared: ["changed"] }, exact);
  assert.deepEqual(conflicts(changed), {});
  assert.deepEqual((await crm.apply(changed)).failed, []);
  assert.equal(await sql(all), before);
  assert.deepEqual((await crm.undo()).failed, []);
  assert.equal(await sql(all), damaged);
}

const login = (type: string, index: string): string =>
  `CREATE TABLE login (id INTEGER PRIMARY KEY, email ${type} NOT NULL, gone INTEGER NOT NULL);
   INSERT INTO login VALUES (1, 'eva@example.org', 0), (2, 'li@example.org', 0), (3, 'zhang@example.org', 0); ${index};`;

test("a value that is unique by an expression is taken by what the database makes of it, on SQLite", () =>
  onSqlite(login("TEXT", "CREATE UNIQUE INDEX once ON login (lower(email), coalesce(gone, 0))"), computed));

test("the same among some rows alone", () =>
  onSqlite(login("TEXT", "CREATE UNIQUE INDEX once ON login (lower(email)) WHERE gone = 0"), computed));

test("the same by a collation of the index's own, among some rows", () =>
  onSqlite(login("TEXT", "CREATE UNIQUE INDEX once ON login (email COLLATE NOCASE) WHERE gone = '0'"), computed));

test("the same on PostgreSQL: an expression, among all or some, and a generated column", async () => {
  for (const index of [
    "CREATE UNIQUE INDEX once ON login (lower(email))",
    "CREATE UNIQUE INDEX once ON login (gone, lower(email) DESC) WHERE gone = 0",
    "ALTER TABLE login ADD folded text GENERATED ALWAYS AS (lower(email)) STORED UNIQUE",
    `ALTER TABLE login ADD live integer GENERATED ALWAYS AS (1 - gone) STORED;
     CREATE UNIQUE INDEX once ON login (upper(email)) WHERE live = 1`,
  ]) {
    await onPostgres(login("varchar(60)", index), computed);
  }
});

test("the same on MariaDB: a generated column, and the first letters", async () => {
  for (const index of [
    "ALTER TABLE login ADD folded VARCHAR(60) AS (LOWER(email)) STORED UNIQUE",
    "ALTER TABLE login ADD small VARCHAR(60) AS (LOWER(email)) VIRTUAL, ADD folded VARCHAR(80) AS (CONCAT(small, gone)) VIRTUAL UNIQUE",
    "ALTER TABLE login MODIFY email VARCHAR(60) COLLATE utf8mb4_bin, ADD folded CHAR(40) AS (LEFT(SHA2(LOWER(email), 256), 40)) STORED UNIQUE",
    "ALTER TABLE login ADD UNIQUE (email(12))",
  ]) {
    await onMariadb(login("VARCHAR(60)", index), computed);
  }
});

const prefixed = (type: string): string =>
  `CREATE TABLE note (id INTEGER PRIMARY KEY, title ${type} NOT NULL, UNIQUE (title(4)));
   INSERT INTO note VALUES (1, 'offer 1'), (2, 'bill 1'), (3, '合同合同合同')`;

/** What differs behind the first letters is the same value. */
async function firstLetters({ crm, sql }: SmallWorld): Promise<void> {
  await crm.backup();
  await sql("DELETE FROM note; INSERT INTO note VALUES (4, 'offer 2'), (5, '合同合')");
  const plan = await crm.plan({ compared: ["deleted"] });
  assert.match(conflicts(plan)["note/1"] ?? "", /unique-taken title .*: note\/4$/);
  assert.deepEqual(Object.keys(conflicts(plan)), ["note/1"]);
  await crm.apply(plan);
  assert.equal(await sql("SELECT id FROM note ORDER BY id"), "2\n3\n4\n5");
}

test("the first letters of a column, or its first bytes, on MariaDB", async () => {
  await onMariadb(prefixed("VARCHAR(40)"), firstLetters);
  await onMariadb(prefixed("TEXT"), firstLetters);
  await onMariadb(prefixed("BLOB").replace("title(4)", "title(5)").replace("合同合同合同", "合"), firstLetters);
});

test("NULL is a value like others where PostgreSQL is told so", () =>
  onPostgres(
    `CREATE TABLE seat (id integer PRIMARY KEY, room text, number integer, UNIQUE NULLS NOT DISTINCT (room, number));
     INSERT INTO seat VALUES (1, 'a', NULL), (2, 'b', NULL), (3, NULL, NULL), (4, 'c', 1)`,
    async ({ crm, sql }) => {
      await crm.backup();
      const seats = "SELECT id, room, number FROM seat ORDER BY id";
      const before = await sql(seats);
      await sql("DELETE FROM seat WHERE id IN (1, 3, 4); INSERT INTO seat VALUES (5, 'a', NULL), (6, NULL, NULL)");
      const plan = await crm.plan({ compared: ["deleted"] });
      assert.deepEqual(conflicts(plan), {
        "seat/1": "conflict unique-taken room, number a, NULL: seat/5",
        "seat/3": "conflict unique-taken room, number NULL, NULL: seat/6",
      });
      await crm.apply(plan);
      await crm.apply(await crm.plan({ compared: ["deleted", "created"] }, exact));
      assert.equal(await sql(seats), before);
      await sql("UPDATE seat SET room = 'x' WHERE id = 1; UPDATE seat SET room = 'a' WHERE id = 2");
      await sql("UPDATE seat SET room = 'b' WHERE id = 1");
      await crm.apply(await crm.plan({ compared: ["changed"] }, exact));
      assert.equal(await sql(seats), before);
    },
  ));

test("of rows that are to get the same value, since an index is newer than they are, the first comes back", async () => {
  const made = "CREATE TABLE login (id INTEGER PRIMARY KEY, email VARCHAR(60)); INSERT INTO login VALUES";
  const story =
    (index: string) =>
    async ({ crm, sql }: SmallWorld): Promise<void> => {
      await crm.backup();
      await sql("DELETE FROM login");
      await sql(index);
      const plan = await crm.plan({ compared: ["deleted"] });
      assert.equal(Object.keys(conflicts(plan)).join(), "login/2");
      assert.match(conflicts(plan)["login/2"] ?? "", /: login\/1$/);
      await crm.apply(plan);
      assert.equal(await sql("SELECT id FROM login ORDER BY id"), "1\n3");
    };
  const same = "(1, 'eva@example.org'), (2, 'eva@example.org'), (3, 'li@example.org')";
  await onSqlite(`${made} ${same}`, story("CREATE UNIQUE INDEX once ON login (email)"));
  await onPostgres(
    `${made} ${same.replace("(2, 'eva", "(2, 'EVA")}`,
    story("CREATE UNIQUE INDEX once ON login (lower(email))"),
  );
});
