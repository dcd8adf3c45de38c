import assert from "node:assert/strict";
import { test } from "node:test";
import { planRestore } from "../../src/engine/restore-plan.ts";
import { missingOnly } from "../support/small-crm.ts";
import { onMariadb, onPostgres, type SmallWorld } from "../support/records-world.ts";

/** Loses rows and sets their counter back, restores what is gone, as single records and by merging the whole, and writes one row more. */
async function insertedAfter(
  { crm, sql }: SmallWorld,
  { lose, insert, remove, rows }: Readonly<Record<"lose" | "insert" | "remove" | "rows", string>>,
): Promise<readonly string[]> {
  await crm.backup();
  const found: string[] = [];
  const input = { repository: crm.access, point: { kind: "latest" }, crms: [crm.description] } as const;
  for (const plan of [
    () => crm.plan({ compared: ["deleted"] }),
    () => planRestore(crm.engine, { ...input, scope: { kind: "database" }, switches: missingOnly }, crm.run),
  ]) {
    await sql(lose);
    await crm.apply(await plan());
    await sql(insert);
    found.push(await sql(rows));
    await sql(remove);
  }
  return found;
}

test("an identity of a table in partitions goes onward with the rows of each", () =>
  onPostgres(
    `CREATE TABLE sale (id integer GENERATED ALWAYS AS IDENTITY, year integer, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
     CREATE TABLE sale_old PARTITION OF sale FOR VALUES IN (2025);
     CREATE TABLE sale_new PARTITION OF sale DEFAULT PARTITION BY RANGE (id);
     CREATE TABLE sale_new_all PARTITION OF sale_new DEFAULT;
     INSERT INTO sale (year) VALUES (2025), (2026), (2026)`,
    async (world) => {
      const found = await insertedAfter(world, {
        lose: "DELETE FROM sale WHERE year = 2026; ALTER TABLE sale ALTER id RESTART WITH 2",
        insert: "INSERT INTO sale (year) VALUES (2025)",
        remove: "DELETE FROM sale WHERE id = 4",
        rows: "SELECT string_agg(id || ' ' || year, ', ' ORDER BY id) FROM sale",
      });
      assert.deepEqual(
        found,
        Array.from({ length: 2 }, () => "1 2025, 2 2026, 3 2026, 4 2025"),
      );
    },
  ));

test("a sequence of MariaDB goes onward with the rows, whichever way it counts, and is not asked for what it cannot give", () =>
  onMariadb(
    `CREATE SEQUENCE \`up\`\`,\`; CREATE SEQUENCE down START WITH -1 INCREMENT -1 MINVALUE -100 MAXVALUE -1;
     CREATE SEQUENCE short MAXVALUE 100; CREATE SEQUENCE letter;
     CREATE TABLE sale (id BIGINT PRIMARY KEY DEFAULT NEXT VALUE FOR \`up\`\`,\`, below DECIMAL(10,2) DEFAULT (0 + nextval(down)),
       few INT DEFAULT NEXT VALUE FOR short, code VARCHAR(9) DEFAULT concat('C', nextval(letter))) CHARACTER SET utf8mb4;
     INSERT INTO sale VALUES (); INSERT INTO sale VALUES (); INSERT INTO sale VALUES (); UPDATE sale SET few = 500 WHERE id = 3`,
    async (world) => {
      const found = await insertedAfter(world, {
        lose: `DELETE FROM sale WHERE id > 1; ALTER SEQUENCE \`up\`\`,\` RESTART 2; ALTER SEQUENCE down RESTART -2;
          ALTER SEQUENCE short RESTART 2; ALTER SEQUENCE letter RESTART 2`,
        insert: "INSERT INTO sale VALUES ()",
        remove: "DELETE FROM sale WHERE id = 4",
        rows: "SELECT CONCAT(id, below, ' ', few, code) FROM sale ORDER BY id",
      });
      // Texts say nothing of where their sequence is, and that of what is out of range stays where it was.
      const all = "1-1.00 1C1\n2-2.00 2C2\n3-3.00 500C3\n4-4.00 2C2";
      assert.deepEqual(found, [all, all]);
    },
  ));
