import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

/** What the README asks for: whoever has it is not to be warned of what he installs. The Node.js that Holdfast runs on comes along. */
const oldest = 20;

interface LockedPackage {
  readonly dev?: boolean;
  readonly peer?: boolean;
  readonly engines?: { readonly node?: string };
}

test("what is needed to run Holdfast can be installed with the oldest Node.js that the README names, without a warning", () => {
  const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
  assert.match(read("README.md"), new RegExp(`Node\\.js ${oldest} or later`));
  assert.match(read("README.md"), /^npm ci --omit=dev && npm run demo$/m);
  const { packages } = JSON.parse(read("package-lock.json")) as { packages: Readonly<Record<string, LockedPackage>> };
  const installed = Object.entries(packages).filter(([, { dev, peer }]) => dev !== true && peer !== true);
  assert.ok(installed.length > 10);
  for (const [name, { engines }] of installed) {
    const asked = engines?.node ?? "*";
    // Ranges as they are written: `>= 8.0`, `^18 || ^20.2 || >=22`, `>=20`.
    const takes = asked.split("||").some((range) => {
      const [, sign = "", major = ""] = /^\s*(>=|\^)?\s*v?(\d+)/.exec(range) ?? [];
      return range.trim() === "*" || (sign === ">=" ? Number(major) <= oldest : Number(major) === oldest);
    });
    assert.ok(takes, `${name} needs Node.js ${asked}`);
  }
});
