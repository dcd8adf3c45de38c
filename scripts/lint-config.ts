/**
 * Makes `.oxlintrc.json`: the rules of the house, and the layers of `scripts/layers.ts` as rules with their reasons.
 *
 *     node scripts/lint-config.ts          writes the file
 *     node scripts/lint-config.ts --check  fails when the file is not what would be written
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { layers, type Layer } from "./layers.ts";

interface RestrictedPattern {
  readonly regex?: string;
  readonly group?: readonly string[];
  readonly allowTypeImports?: boolean;
  readonly message: string;
}

interface Override {
  readonly files: readonly string[];
  readonly rules: Readonly<Record<string, unknown>>;
}

const nodeTests = {
  allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["test", "it", "describe", "suite"] }],
};

const rules: Readonly<Record<string, unknown>> = {
  // What the compiler does not see
  "typescript/no-floating-promises": ["error", nodeTests],
  "typescript/no-misused-promises": "error",
  "typescript/await-thenable": "error",
  "no-throw-literal": "error",
  "typescript/return-await": ["error", "error-handling-correctness-only"],
  "typescript/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
  "typescript/no-unsafe-argument": "error",
  "typescript/no-unsafe-assignment": "error",
  "typescript/no-unsafe-call": "error",
  "typescript/no-unsafe-member-access": "error",
  "typescript/no-unsafe-return": "error",
  "typescript/no-deprecated": "error",
  "import/no-cycle": ["error", { ignoreTypes: true }],
  eqeqeq: "error",

  // House style
  "typescript/no-explicit-any": "error",
  "typescript/no-non-null-assertion": "error",
  "typescript/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
  "import/no-default-export": "error",
  "unicorn/filename-case": ["error", { case: "kebabCase" }],
  "no-console": "error",

  // Right here, wrong in general: each with the reason
  "no-await-in-loop": "off", // order and bounded memory are the point of most loops here
  "unicorn/no-array-sort": "off", // arrays that are sorted are our own, just made
  "unicorn/no-array-reverse": "off",
  "unicorn/prefer-add-event-listener": "off", // ports of worker threads have `on`
  "unicorn/require-post-message-target-origin": "off", // there are no windows here
  "no-underscore-dangle": "off",
  "no-unmodified-loop-condition": "off", // it takes a constant in a condition for a mistake
  "unicorn/no-new-array": "off", // `new Array<T>(length).fill(…)` is meant
  "typescript/consistent-return": "off", // the compiler knows better, with switches over unions
  "typescript/only-throw-error": "off", // what was caught and kept is thrown again
  "promise/always-return": "off", // `.then` ends chains here whose value nobody takes
  "promise/no-promise-in-callback": "off",
  "import/no-named-as-default-member": "off", // fast-check is meant to be used as `fc.…`
  "oxc/no-map-spread": "off", // values are never changed in place
  "unicorn/no-useless-spread": "off", // a copy before an await is meant
  "unicorn/prefer-set-has": "off", // lists of three words
  "unicorn/consistent-function-scoping": "off", // a helper stands beside what it helps
  "typescript/no-unsafe-type-assertion": "off", // checked values are narrowed by hand where zod would be too slow
  "typescript/unbound-method": "off",
};

/** The restriction for the files of one layer, besides `packages`. */
function restriction(layer: Layer, packages: readonly string[]): unknown {
  const others = layers.map((one) => one.folder).filter((folder) => folder !== layer.folder);
  const typesOnly = layer.types ?? [];
  const never = others.filter((folder) => !layer.imports.includes(folder) && !typesOnly.includes(folder));
  const allowed = [...layer.imports, ...typesOnly.map((folder) => `${folder} (types)`)].join(", ") || "nothing";
  const why = `src/${layer.folder} is ${layer.purpose}. It may import: ${allowed} (scripts/layers.ts).`;
  const outside = "main.ts|test/|bench/|scripts/|demo/";
  const folders = never.map((folder) => `${folder}/|`).join("");
  const patterns: RestrictedPattern[] = [
    { regex: String.raw`^(\.\./)+(${folders}${outside})`, message: why },
    ...typesOnly.map((folder) => ({ regex: String.raw`^(\.\./)+${folder}/`, allowTypeImports: true, message: why })),
    // Last: oxlint looks no further once an exception of a group (`!…`) holds.
    {
      group: ["*", "!./**", "!../**", "!node:*", "!node:*/**", ...packages.flatMap((one) => [`!${one}`, `!${one}/**`])],
      message: `src/${layer.folder} may import ${packages.length === 0 ? "no package" : packages.join(", ")} besides Node's own modules (scripts/layers.ts).`,
    },
  ];
  return ["error", { patterns }];
}

function layerOverrides(layer: Layer): Override[] {
  const packages = layer.packages ?? [];
  const single = Object.entries(layer.packagesOf ?? {}).map(([file, more]) => ({
    files: [`src/${layer.folder}/${file}`],
    rules: { "no-restricted-imports": restriction(layer, [...packages, ...more]) },
  }));
  const all = { files: [`src/${layer.folder}/**`], rules: { "no-restricted-imports": restriction(layer, packages) } };
  return [all, ...single];
}

export function lintConfig(): string {
  const config = {
    $schema: "./node_modules/oxlint/configuration_schema.json",
    plugins: ["eslint", "typescript", "unicorn", "oxc", "import", "promise", "node"],
    categories: { correctness: "error", suspicious: "error", perf: "error" },
    env: { node: true, es2026: true },
    ignorePatterns: ["dist", "node_modules", "docs/evidence"],
    rules,
    overrides: [
      ...layers.flatMap(layerOverrides),
      { files: ["**/*.test.ts"], rules: { "no-restricted-imports": "off" } },
      { files: ["scripts/**", "bench/**", "demo/**", "test/**"], rules: { "no-console": "off" } },
    ],
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

export const lintConfigFile = join(import.meta.dirname, "..", ".oxlintrc.json");

if (import.meta.main) {
  const wanted = lintConfig();
  if (!process.argv.includes("--check")) {
    writeFileSync(lintConfigFile, wanted);
  } else if (readFileSync(lintConfigFile, "utf8") !== wanted) {
    console.error(".oxlintrc.json is out of date: run `npm run lint:config`");
    process.exitCode = 1;
  }
}
