import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { BackupKind } from "../../src/contents/manifest.ts";
import { custom } from "../../src/crm/custom.ts";
import type { CrmDescription } from "../../src/crm/platform.ts";
import type { DatabaseEngine } from "../../src/database/database.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { backup, type BackupInput, type BackupReport } from "../../src/engine/backup.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { applyRestore, type RestoreReport } from "../../src/engine/restore-apply.ts";
import { planRestore, type RestorePlan, type RestorePlanInput } from "../../src/engine/restore-plan.ts";
import type { Event } from "../../src/lib/events.ts";
import type { Run } from "../../src/lib/run.ts";
import { localStorage } from "../../src/storage/local.ts";
import { createCheapRepository } from "./cheap-key.ts";

/** A small CRM on SQLite with attachments, its repository, and the use cases called as the command line calls them. */
export interface SmallCrm {
  readonly folder: string;
  readonly database: string;
  readonly attachments: string;
  readonly configFile: string;
  readonly description: CrmDescription;
  readonly engine: Engine;
  readonly access: { readonly location: string; readonly password: string };
  readonly events: Event[];
  readonly run: Run;
  sql(statements: string): void;
  rows(query: string): readonly unknown[];
  backup(kind?: BackupKind, more?: Partial<BackupInput>): Promise<BackupReport>;
  plan(input?: Partial<RestorePlanInput>): Promise<RestorePlan>;
  apply(plan: RestorePlan): Promise<RestoreReport>;
}

export const limits = { workers: 2, priority: "normal" } as const;
export const exact = { createMissing: true, updateChanged: true, removeNewer: true } as const;
export const missingOnly = { createMissing: true, updateChanged: false, removeNewer: false } as const;

/**
 * Builds it all below `root`, an empty folder; with `server`, its database is one on a server, which is there already. `now`: what this
 * machine's clock says.
 */
export async function smallCrm(
  root: string,
  server?: { readonly url: string; readonly engine: DatabaseEngine },
  now: Run["now"] = () => new Date(),
): Promise<SmallCrm> {
  const folder = join(root, "crm");
  const attachments = join(folder, "attachments");
  const database = join(folder, "crm.db");
  const configFile = join(folder, "holdfast.yaml");
  const access = { location: join(root, "backups"), password: "correct horse" };
  mkdirSync(join(attachments, "2026"), { recursive: true });
  writeFileSync(join(attachments, "2026", "合同.txt"), "contract\n");
  writeFileSync(join(attachments, "logo.bin"), Buffer.alloc(100_000, "logo"));
  writeFileSync(configFile, "crm:\n  name: acme\n");
  const sql = (statements: string): void => {
    using connection = new DatabaseSync(database);
    connection.exec(statements);
  };
  sql(`
    CREATE TABLE contact (id INTEGER PRIMARY KEY, name TEXT NOT NULL, amount REAL);
    CREATE TABLE attachment (id INTEGER PRIMARY KEY, contact INTEGER REFERENCES contact, path TEXT);
    CREATE TABLE log (line TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      INSERT INTO contact SELECT i, '张伟 ' || i, i / 8.0 FROM n;
    INSERT INTO attachment VALUES (1, 1, '2026/合同.txt'), (2, 2, 'logo.bin');
    INSERT INTO log VALUES ('a'), ('a'), ('b');
  `);
  const description: CrmDescription = {
    name: "acme",
    platform: "custom",
    database: server?.url ?? `sqlite:${database}`,
    files: [{ name: "attachments", path: attachments }],
    excludes: [],
    attachments: [{ table: "attachment", column: "path", folder: "attachments" }],
    neutralise: ["UPDATE contact SET name = 'nobody'"],
  };
  const engine: Engine = {
    program: "holdfast test",
    openStorage: localStorage,
    platforms: [custom],
    databases: server ? [sqliteEngine, server.engine] : [sqliteEngine],
    stateFolder: join(root, "state"),
    readSecret: async () => "",
    host: { hostname: "test", username: "test", uid: 0, gid: 0 },
  };
  const events: Event[] = [];
  const run: Run = {
    signal: new AbortController().signal,
    now,
    report: (event) => events.push(event),
  };
  const opening = { signal: run.signal, now: run.now, host: engine.host };
  await using _repository = await createCheapRepository(localStorage(access.location), access.password, opening);
  return {
    folder,
    database,
    attachments,
    configFile,
    description,
    engine,
    access,
    events,
    run,
    sql,
    rows: (query) => {
      using connection = new DatabaseSync(database, { readOnly: true });
      return connection.prepare(query).all();
    },
    backup: (kind, more) =>
      backup(
        engine,
        {
          crm: description,
          configFile,
          repository: access,
          limits,
          waitMs: 0,
          inconsistencies: "warn",
          ...(kind && { kind }),
          ...more,
        },
        run,
      ),
    plan: (input) =>
      planRestore(
        engine,
        { repository: access, point: { kind: "latest" }, scope: { kind: "system" }, switches: exact, ...input },
        run,
      ),
    apply: (plan) =>
      applyRestore(
        engine,
        { plan: plan.id, password: access.password, limits, ...(plan.confirm && { confirm: plan.confirm }) },
        run,
      ),
  };
}
