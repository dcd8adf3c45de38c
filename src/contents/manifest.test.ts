import assert from "node:assert/strict";
import { test } from "node:test";
import { type Manifest, parseManifest, serialiseManifest } from "./manifest.ts";

const id = "ab".repeat(32);
const sample: Manifest = {
  format: 1,
  crm: { name: "acme", platform: "custom", version: "6.0" },
  description: {
    name: "acme",
    platform: "custom",
    database: "sqlite:/srv/acme/crm.sqlite",
    files: [{ name: "attachments", path: "/srv/acme/attachments" }],
    excludes: [],
    attachments: [{ table: "attachment", column: "path", folder: "attachments" }],
    neutralise: [],
  },
  kind: "incremental",
  outcome: "warning",
  startedAt: "2026-01-02T03:04:05Z",
  finishedAt: "2026-01-02T03:04:06Z",
  parent: id,
  databases: [
    {
      name: "main",
      engine: "sqlite",
      engineVersion: "3.53.0",
      location: "sqlite:/srv/acme/crm.sqlite",
      position: "7",
      tables: [
        {
          schema: "main",
          name: "contact",
          folder: "tables/main/contact",
          rows: 3,
          lastFull: { snapshotTime: "2026-01-01T03:04:05Z", tree: id },
          fingerprint: "f",
        },
      ],
    },
  ],
  folders: [
    { name: "attachments", path: "/srv/acme/attachments", files: 1, bytes: 2, excludes: ["*.tmp"], lastFullTree: id },
  ],
  config: [{ name: "holdfast.yaml", path: "/etc/holdfast.yaml" }],
  warnings: [{ code: "file-missing", subject: "attachments/a.pdf", detail: "contact 3" }],
  known: [],
  program: "holdfast 0.1.0",
};

test("a manifest comes back as it was written", () => {
  assert.deepEqual(parseManifest(serialiseManifest(sample)), sample);
});

test("every field is checked", () => {
  for (const path of leaves(sample)) {
    const broken = structuredClone(sample) as unknown;
    replace(broken, path, { hostile: true });
    assert.throws(() => parseManifest(JSON.stringify(broken)), /repository-damaged/, path.join("."));
  }
  for (const json of ["", "null", "[]", "{}", `${serialiseManifest(sample)}x`]) {
    assert.throws(() => parseManifest(json), /repository-damaged/);
  }
});

function leaves(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([key, child]) => leaves(child, [...path, key]));
}

function replace(value: unknown, path: readonly string[], by: unknown): void {
  let at = value as Record<string, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
  at[path.at(-1) ?? ""] = by;
}
