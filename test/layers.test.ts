import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { layers } from "../scripts/layers.ts";
import { lintConfig, lintConfigFile } from "../scripts/lint-config.ts";

const root = join(import.meta.dirname, "..");
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-lint-"));
  writeFileSync(join(folder, ".oxlintrc.json"), lintConfig());
  writeFileSync(join(folder, "tsconfig.json"), readFileSync(join(root, "tsconfig.json")));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
});
after(() => rmSync(folder, { recursive: true }));

/** Lints planted files in a project of their own; gives `file rule` of each report, sorted. */
function lint(files: Readonly<Record<string, string>>): readonly string[] {
  rmSync(join(folder, "src"), { recursive: true, force: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const oxlint = join(root, "node_modules/.bin/oxlint");
  const { stdout, stderr } = spawnSync(oxlint, ["--type-aware", "--format", "json"], { cwd: folder, encoding: "utf8" });
  assert.notEqual(stdout, "", stderr);
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: readonly { code: string; filename: string }[] };
  return diagnostics.map((one) => `${one.filename} ${one.code}`).toSorted();
}

const statement = {
  value: (path: string) => `import { x } from "${path}";\nconsole.log(x);\n`,
  type: (path: string) => `import type { X } from "${path}";\nexport type Y = X;\n`,
};

test("every folder of src/ stands in the table, and every layer stands on lower ones only", () => {
  const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((one) => one.isDirectory());
  assert.deepEqual(folders.map((one) => one.name).toSorted(), layers.map((one) => one.folder).toSorted());
  layers.forEach((layer, at) => {
    const lower = layers.slice(0, at).map((one) => one.folder);
    const above = [...layer.imports, ...(layer.types ?? [])].filter((one) => !lower.includes(one));
    assert.deepEqual(above, [], `${layer.folder} imports a layer that does not stand below it`);
  });
});

test("the lint configuration is the one that the table makes", () => {
  assert.equal(readFileSync(lintConfigFile, "utf8"), lintConfig(), "run `npm run lint:config`");
});

test("an import that the table forbids is reported, and one that it allows is not", () => {
  const files: Record<string, string> = {};
  const expected: string[] = [];
  const plant = (name: string, text: string, forbidden: boolean) => {
    files[name] = text.replace("console.log", "globalThis.structuredClone");
    if (forbidden) expected.push(`${name} eslint(no-restricted-imports)`);
  };
  for (const { folder: name, imports, types = [], packages = [], packagesOf = {} } of layers) {
    for (const { folder: other } of layers.filter((one) => one.folder !== name)) {
      const allowed = imports.includes(other);
      plant(`src/${name}/value-${other}.ts`, statement.value(`../${other}/any.ts`), !allowed);
      plant(`src/${name}/deep/value-${other}.ts`, statement.value(`../../${other}/any.ts`), !allowed);
      plant(`src/${name}/type-${other}.ts`, statement.type(`../${other}/any.ts`), !allowed && !types.includes(other));
      plant(`src/${name}/test-${other}.test.ts`, statement.value(`../${other}/any.ts`), false);
    }
    for (const other of ["zod", "yaml", "commander", "koffi"]) {
      plant(`src/${name}/package-${other}.ts`, statement.value(other), !packages.includes(other));
    }
    for (const [file, only] of Object.entries(packagesOf)) {
      plant(`src/${name}/${file}`, only.map(statement.value).join(""), false);
    }
    plant(`src/${name}/dynamic.ts`, `export const x = await import("koffi");\n`, true);
    plant(`src/${name}/main.ts`, statement.value("../main.ts"), true);
    plant(`src/${name}/test.ts`, statement.value("../../test/support/any.ts"), true);
    plant(`src/${name}/node.ts`, statement.value("node:fs/promises"), false);
  }
  const reported = lint(files).filter((one) => one.endsWith("eslint(no-restricted-imports)"));
  assert.deepEqual(
    expected.filter((one) => !reported.includes(one)),
    [],
    "forbidden but not reported",
  );
  assert.deepEqual(
    reported.filter((one) => !expected.includes(one)),
    [],
    "allowed but reported",
  );
});

test("the rules of the house are really on", () => {
  const planted: Readonly<Record<string, string>> = {
    "no-floating-promises": "async function work(): Promise<void> {}\nexport function run(): void {\n  work();\n}\n",
    "no-explicit-any": "export function take(value: any): void {\n  JSON.stringify(value);\n}\n",
    "no-non-null-assertion": "export const first = (list: readonly string[]): string => list[0]!;\n",
    "no-default-export": "export default 1;\n",
    "no-console": 'console.log("hello");\n',
    "switch-exhaustiveness-check":
      'export function f(kind: "a" | "b"): number {\n  switch (kind) {\n    case "a":\n      return 1;\n  }\n  return 0;\n}\n',
    "return-await":
      "declare function lock(): AsyncDisposable;\ndeclare function work(): Promise<number>;\nexport async function run(): Promise<number> {\n  await using _lock = lock();\n  return work();\n}\n",
    "no-unsafe-assignment": 'export const { length }: { length: number } = JSON.parse("[]");\n',
  };
  const files = Object.fromEntries(Object.entries(planted).map(([rule, text]) => [`src/lib/${rule}.ts`, text]));
  const cycle = {
    "src/lib/one.ts": 'import { two } from "./two.ts";\nexport const one = () => two;\n',
    "src/lib/two.ts": 'import { one } from "./one.ts";\nexport const two = () => one;\n',
    "src/lib/camelCase.ts": "export const x = 1;\n",
  };
  const reported = lint({ ...files, ...cycle });
  for (const rule of Object.keys(planted)) {
    assert.ok(
      reported.some((one) => one.startsWith(`src/lib/${rule}.ts `) && one.endsWith(`(${rule})`)),
      `${rule}: ${reported.join("\n")}`,
    );
  }
  assert.ok(reported.includes("src/lib/one.ts import(no-cycle)"));
  assert.ok(reported.includes("src/lib/camelCase.ts unicorn(filename-case)"));
});
