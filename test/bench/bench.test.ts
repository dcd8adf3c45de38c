import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { commandOutput } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const root = join(import.meta.dirname, "../..");

/** With little data: that it measures what it says and compares what was restored, not how fast anything is. */
test("the benchmark runs, restores what it backed up, and writes its tables", async () => {
  using folder = temporaryFolder();
  const out = join(folder.path, "out");
  await commandOutput(process.execPath, ["scripts/build.ts"], { cwd: root });
  const options = [
    "--work",
    join(folder.path, "work"),
    "--out",
    out,
    "--rounds",
    "1",
    "--scale",
    "0.002",
    "--only",
    "mix,table",
  ];
  const table = await commandOutput(process.execPath, ["bench/bench.ts", ...options, "--tools", "holdfast,restic"], {
    cwd: root,
    timeoutMs: 600_000,
  });

  assert.ok(readFileSync(join(out, "bench.md"), "utf8").endsWith(table.trimStart().trimEnd() + "\n"));
  const { rows } = JSON.parse(readFileSync(join(out, "bench.json"), "utf8")) as {
    rows: readonly { step: string; tool: string; wallSeconds: number; storedBytes?: number }[];
  };
  for (const tool of ["holdfast", "restic"]) {
    assert.equal(rows.filter((row) => row.tool === tool).length, 5, table);
  }
  assert.ok(rows.every((row) => row.wallSeconds > 0));
  const stored = (tool: string) =>
    rows.find((row) => row.tool === tool && row.step === "mix: first backup")?.storedBytes;
  assert.ok((stored("holdfast") ?? 0) > 1_000_000 && (stored("restic") ?? 0) > 1_000_000, table);
});
