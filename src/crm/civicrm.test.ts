import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { civicrm } from "./civicrm.ts";
import type { CrmDescription } from "./platform.ts";

test("what CiviCRM's DSN says of TLS holds for its backup", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-civicrm-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const configuration = join(folder, "wp-content/uploads/civicrm/civicrm.settings.php");
  mkdirSync(dirname(configuration), { recursive: true });
  const description: CrmDescription = {
    ...{ name: "civicrm", platform: "civicrm", configuration },
    ...{ files: [], excludes: [], attachments: [], neutralise: [] },
  };
  const found = async (query: string) => {
    const dsn = (name: string, options: string) => `mysql://crm:geheim@db.example.com/${name}?new_link=true${options}`;
    writeFileSync(
      configuration,
      `<?php\ndefine('CIVICRM_UF', 'WordPress');\ndefine('CIVICRM_UF_DSN', '${dsn("wp", query)}');\ndefine('CIVICRM_DSN', '${dsn("civi", query)}');\ndefine('CIVICRM_LOGGING_DSN', '${dsn("civi", "")}');\n`,
    );
    const { databases } = await civicrm.parts(description);
    assert.deepEqual(
      (await civicrm.detect(folder)).map(({ database }) => database),
      [databases[0]?.url],
    );
    return databases.map(({ name, url, password }) => [name, url, password]);
  };
  const both = (query: string) => [
    ["main", `mariadb://crm@db.example.com/civi${query}`, "geheim"],
    ["cms", `mariadb://crm@db.example.com/wp${query}`, "geheim"],
  ];
  assert.deepEqual(await found(""), both(""));
  assert.deepEqual(await found("&ssl=1"), both("?ssl-mode=required"));
  const [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map((name) => join(folder, name));
  for (const file of [ca, cert, key]) writeFileSync(file ?? "", "");
  const written = (file = "") => encodeURIComponent(file);
  assert.deepEqual(
    await found(`&ca=${written(ca)}&cert=${cert}&key=${key}`),
    both(`?ssl-mode=verify-ca&ssl-ca=${written(ca)}&ssl-cert=${written(cert)}&ssl-key=${written(key)}`),
  );
  assert.deepEqual(await found("&ca=/in/a/container.pem"), both("?ssl-mode=required"));
});
