import assert from "node:assert/strict";
import { test } from "node:test";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import { search, type SearchInput } from "../../src/engine/search.ts";
import { startMariadb } from "../support/mariadb-server.ts";
import { recordsCrm, recordsRows, recordsSchema } from "../support/records-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** Enough of `client` to have several chunks, so that there are signatures, which know nothing of these texts. */
const clients = `
  CREATE TABLE client (id INT PRIMARY KEY, a VARCHAR(60) CHARACTER SET gbk, b VARCHAR(60) CHARACTER SET big5,
    c VARCHAR(60) CHARACTER SET sjis, d VARCHAR(60) CHARACTER SET cp1251, e VARCHAR(60) CHARACTER SET latin1, note TEXT CHARACTER SET utf8mb4);
  INSERT INTO client (id, note) SELECT seq, CONCAT('客户 ', seq, REPEAT(MD5(seq), 30)) FROM seq_1_to_3000;
  UPDATE client SET a = '张伟有限公司 Ltd.' WHERE id = 1500;
  UPDATE client SET b = '張偉貿易' WHERE id = 1501;
  UPDATE client SET c = '田中 ｶﾅ Shoji' WHERE id = 1502;
  UPDATE client SET d = 'Иван Петров' WHERE id = 1503;
  UPDATE client SET e = 'Müller' WHERE id = 1504;`;

test("texts of MariaDB in GBK, Big5, Shift-JIS and the like are found as they are shown", async () => {
  using folder = temporaryFolder();
  await using server = await startMariadb();
  await server.sql("CREATE DATABASE crm CHARACTER SET utf8mb4");
  await server.sql(recordsSchema("mysql") + recordsRows("mysql") + clients, "crm");
  const url = server.url("crm");
  const crm = await recordsCrm(folder.path, { engine: mysqlEngine, url, sql: (script) => server.sql(script, "crm") });
  await crm.backup();
  const find = async (text: string, more: Partial<SearchInput> = {}): Promise<readonly string[]> => {
    const input: SearchInput = {
      repository: crm.access,
      crms: [crm.description],
      point: { kind: "latest" },
      text,
      state: "there",
      only: ["client"],
      ...more,
    };
    const hits = await search(crm.engine, input, crm.run, ({ hits: found }) => Array.fromAsync(found));
    return hits.flatMap((hit) => (hit.type === "record" ? [hit.handle] : []));
  };
  const words: Readonly<Record<string, number>> = {
    ...{ 伟有限: 1500, "LTD. 张": 1500, 貿易: 1501, 田中: 1502, "ｶﾅ shoji": 1502, ИВАН: 1503, MÜLLER: 1504 },
    // In two columns, each in its own way.
    "张伟 客户": 1500,
  };
  for (const [text, id] of Object.entries(words)) assert.deepEqual(await find(text), [`client/${id}`], text);
  assert.deepEqual(await find("贸易"), []);
  assert.deepEqual(await find("田中", { point: { kind: "live" } }), ["client/1502"]);

  await server.sql("DELETE FROM client WHERE id IN (1500, 1503)", "crm");
  await crm.apply(await crm.plan({ search: "张伟 ltd", in: ["client"] }));
  assert.equal(await server.sql("SELECT a FROM client WHERE id IN (1500, 1503)", "crm"), "张伟有限公司 Ltd.\n");
  await crm.backup();
  assert.deepEqual(await find("иван", { state: "deleted" }), ["client/1503"]);
});
