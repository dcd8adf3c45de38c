import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { civicrm } from "./civicrm.ts";
import { placeOf } from "./server-url.ts";

test("a percent sign in a login is one where it begins no character, as for the program that the URL is written for", async () => {
  const found = placeOf("mysql://crm%40x:100%s%C3%A9%@db/civi");
  assert.deepEqual([found?.user, found?.password], ["crm@x", "100%sé%"]);

  using folder = temporaryFolder();
  const configuration = join(folder.path, "wp-content/uploads/civicrm/civicrm.settings.php");
  mkdirSync(join(folder.path, "wp-content/uploads/civicrm"), { recursive: true });
  writeFileSync(configuration, "<?php\ndefine('CIVICRM_DSN', 'mysql://crm:100%@localhost/civi?new_link=true');\n");
  const crm = { name: "civi", platform: "civicrm", configuration };
  const { databases } = await civicrm.parts({ ...crm, files: [], excludes: [], attachments: [], neutralise: [] });
  assert.deepEqual(databases, [{ name: "main", url: "mariadb://crm@localhost/civi", password: "100%" }]);
  assert.equal((await civicrm.detect(folder.path)).length, 1);
});
