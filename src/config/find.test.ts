import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { chooseRepository, findConfig } from "./find.ts";
import { configFromText } from "./load.ts";

const config = configFromText(
  `crm: { name: acme }
repository: { location: ./backups, password: file:main.txt, cold: GLACIER_IR }
copies: [{ name: offsite, location: ../elsewhere, password: file:offsite.txt }]
`,
  "/srv/acme/holdfast.yaml",
);
const choose = (repository?: string, environment: Record<string, string> = {}) =>
  chooseRepository("/srv/acme", environment, repository === undefined ? {} : { repository }, config, "none");
const main = {
  location: "/srv/acme/backups",
  password: { kind: "file", target: "/srv/acme/main.txt" },
  keeping: { coldClass: "GLACIER_IR" },
  credentials: {},
};
const copy = {
  location: "/srv/elsewhere",
  password: { kind: "file", target: "/srv/acme/offsite.txt" },
  keeping: {},
  credentials: {},
};

test("a copy is meant by its name or its location, and brings its own password", () => {
  assert.deepEqual(choose(), main);
  assert.deepEqual(choose("offsite"), copy);
  assert.deepEqual(choose("../elsewhere"), copy);
  assert.deepEqual(choose(undefined, { HOLDFAST_REPOSITORY: "/srv/elsewhere" }), copy);
  // What is said of one place is not true of another.
  assert.deepEqual(choose("./third"), { ...main, location: "/srv/acme/third", keeping: {} });
});

test("a password file that is given goes before the copy's own", () => {
  const password = { kind: "file", target: "/tmp/given" };
  assert.deepEqual(choose("offsite", { HOLDFAST_PASSWORD_FILE: "/tmp/given" }), { ...copy, password });
});

test("where nothing says where the password is, a terminal is asked, if there is one", () => {
  const flags = { repository: "/srv/elsewhere" };
  assert.throws(() => chooseRepository("/", {}, flags, undefined, "none"), { code: "config-secret" });
  assert.deepEqual(chooseRepository("/", {}, flags, undefined, "there").password, { kind: "terminal" });
  assert.deepEqual(chooseRepository("/", { HOLDFAST_PASSWORD_FILE: "/p" }, flags, undefined, "there").password, {
    kind: "file",
    target: "/p",
  });
});

test("an empty XDG_CONFIG_HOME is as good as none", () => {
  const home = mkdtempSync(join(tmpdir(), "holdfast-home-"));
  try {
    const own = join(home, ".config/holdfast");
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, "holdfast.yaml"), "");
    assert.equal(findConfig("/", { HOME: home, XDG_CONFIG_HOME: "" }, undefined), join(own, "holdfast.yaml"));
  } finally {
    rmSync(home, { recursive: true });
  }
});
