import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { configFromText } from "./load.ts";
import { type ConfigDraft, writeConfig } from "./write.ts";

const comments = {
  head: "What is backed up.\nSecond line.",
  crm: "The CRM.",
  database: "Its database.",
  files: "Its folders.",
  repository: "Where to.",
  password: "Where the password is.",
  more: "More: limits.",
};

test("what init writes reads back as what was drafted", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
  const path = fc.oneof(fc.stringMatching(/^\.\/[a-z #:'"-]{1,8}[a-z]$/), fc.constant("./附件 文件夹"));
  const draft: fc.Arbitrary<ConfigDraft> = fc.record({
    crm: fc.record({
      name,
      platform: name,
      database: fc.constant("sqlite:./crm.db"),
      files: fc.dictionary(name, path),
    }),
    repository: fc.record({ location: path, password: path.map((one) => `file:${one}`) }),
  });
  fc.assert(
    fc.property(draft, (drafted) => {
      const text = writeConfig(drafted, comments, "./holdfast.schema.json");
      const config = configFromText(text, "/srv/holdfast.yaml");
      const [crm] = config.crms;
      assert.equal(crm?.name, drafted.crm.name);
      assert.equal(crm?.platform, drafted.crm.platform);
      assert.deepEqual(
        crm?.files.map((one) => one.name),
        Object.keys(drafted.crm.files ?? {}),
      );
      assert.equal(config.repository.password.kind, "file");
    }),
    { numRuns: 60 },
  );
});

test("opens with the line for editors and explains each part", () => {
  const text = writeConfig(
    {
      crm: { name: "acme", platform: "custom", database: "sqlite:./crm.db", files: ["./attachments"] },
      repository: { location: "./backups", password: "file:./password.txt" },
    },
    comments,
    "./holdfast.schema.json",
  );
  assert.match(text, /^# yaml-language-server: \$schema=\.\/holdfast\.schema\.json\n# What is backed up\.\n/);
  for (const comment of Object.values(comments)) assert.ok(text.includes(`# ${comment.split("\n")[0]}`), text);
});
