import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { custom } from "../../src/crm/custom.ts";
import type { CrmModel } from "../../src/crm/model.ts";
import type { CrmDescription, Platform } from "../../src/crm/platform.ts";
import type { DatabaseEngine } from "../../src/database/database.ts";
import { backup, type BackupReport } from "../../src/engine/backup.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type { RecordSelection } from "../../src/engine/record-selection.ts";
import { applyRestore, type RestoreReport } from "../../src/engine/restore-apply.ts";
import type { PointName } from "../../src/engine/snapshots.ts";
import { planRestore, type RestorePlan, type RestorePlanInput } from "../../src/engine/restore-plan.ts";
import { undoRestore, type UndoReport } from "../../src/engine/undo.ts";
import type { Run } from "../../src/lib/run.ts";
import { localStorage } from "../../src/storage/local.ts";
import { createCheapRepository } from "./cheap-key.ts";
import { limits } from "./small-crm.ts";

/**
 * A CRM whose records hang together in every way that there is: foreign keys that are declared and ones that only the
 * model knows, a cycle of them, a link table, notes that name their owner by type and number, a table with more columns
 * of the same record, rows that only say that they are gone, a table without a key.
 */
export function recordsSchema(engine: "sqlite" | "postgres" | "mysql"): string {
  const id = {
    sqlite: "INTEGER PRIMARY KEY",
    postgres: "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    mysql: "INTEGER AUTO_INCREMENT PRIMARY KEY",
  }[engine];
  const touched =
    engine === "mysql" ? "TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP" : "TEXT";
  const text = engine === "mysql" ? "VARCHAR(200)" : "TEXT";
  return `
    CREATE TABLE party (id ${id}, name ${text} NOT NULL, code VARCHAR(20) UNIQUE, phone ${text},
      main_contact INTEGER, created ${text}, touched ${touched}, deleted SMALLINT NOT NULL DEFAULT 0);
    CREATE TABLE party_extra (party_id INTEGER PRIMARY KEY, colour ${text});
    CREATE TABLE contact (id ${id}, party INTEGER NOT NULL, name ${text}, email VARCHAR(100) UNIQUE,
      FOREIGN KEY (party) REFERENCES party (id));
    CREATE TABLE product (id ${id}, name ${text});
    CREATE TABLE invoice (id ${id}, party INTEGER NOT NULL, ref VARCHAR(20) NOT NULL UNIQUE, total NUMERIC(12,2),
      FOREIGN KEY (party) REFERENCES party (id));
    CREATE TABLE invoice_line (id ${id}, invoice INTEGER NOT NULL, product INTEGER, label ${text}, amount NUMERIC(12,2),
      FOREIGN KEY (invoice) REFERENCES invoice (id), FOREIGN KEY (product) REFERENCES product (id));
    CREATE TABLE tag (id ${id}, label ${text});
    CREATE TABLE party_tag (party INTEGER NOT NULL, tag INTEGER NOT NULL, PRIMARY KEY (party, tag),
      FOREIGN KEY (party) REFERENCES party (id), FOREIGN KEY (tag) REFERENCES tag (id));
    CREATE TABLE note (id ${id}, parent_type VARCHAR(20), parent_id INTEGER, body ${text}, path ${text});
    CREATE TABLE log (line ${text});
    ${engine === "sqlite" ? "" : "ALTER TABLE party ADD FOREIGN KEY (main_contact) REFERENCES contact (id);"}
  `;
}

/** 20 parties of everything; 3 products, 4 tags. */
export function recordsRows(engine: "sqlite" | "postgres" | "mysql"): string {
  const over = engine === "postgres" ? "OVERRIDING SYSTEM VALUE " : "";
  const touched = "'2026-01-02 03:04:05'";
  const lines: string[] = [];
  const insert = (table: string, values: readonly string[]): void => {
    lines.push(
      `INSERT INTO ${table} ${table === "party_extra" || table === "party_tag" ? "" : over}VALUES ${values.join(",")};`,
    );
  };
  const each = (count: number, row: (n: number) => string): readonly string[] =>
    Array.from({ length: count }, (_, at) => row(at + 1));
  insert(
    "product",
    each(3, (n) => `(${n},'Product ${n}')`),
  );
  insert(
    "tag",
    each(4, (n) => `(${n},'Tag ${n}')`),
  );
  insert(
    "party",
    each(
      20,
      (n) =>
        `(${n},'张伟有限公司 ${n}','C${n}','+86 10 ${n}',NULL,'2025-0${1 + (n % 9)}-01',${touched},${n === 20 ? 1 : 0})`,
    ),
  );
  insert(
    "party_extra",
    each(20, (n) => `(${n},'colour ${n}')`),
  );
  insert(
    "contact",
    each(40, (n) => `(${n},${1 + (n % 20)},'Contact ${n}','c${n}@example.org')`),
  );
  insert(
    "invoice",
    each(60, (n) => `(${n},${1 + (n % 20)},'FA${1000 + n}',${n}.50)`),
  );
  insert(
    "invoice_line",
    each(120, (n) => `(${n},${1 + (n % 60)},${n % 4 === 0 ? "NULL" : 1 + (n % 3)},'Line ${n}',${n}.25)`),
  );
  insert(
    "party_tag",
    each(20, (n) => `(${n},${1 + (n % 4)})`),
  );
  insert(
    "note",
    each(
      50,
      (n) =>
        `(${n},'${n % 2 === 0 ? "party" : "invoice"}',${1 + (n % 20)},'Note ${n}',${n > 4 && n <= 8 ? `'notes/${n}.txt'` : "NULL"})`,
    ),
  );
  if (engine === "postgres") {
    for (const table of ["party", "contact", "product", "invoice", "invoice_line", "tag", "note"]) {
      lines.push(`SELECT setval(pg_get_serial_sequence('${table}','id'), (SELECT max(id) FROM ${table}));`);
    }
  }
  lines.push("UPDATE party SET main_contact = id - 1 WHERE id > 1;");
  if (engine === "mysql") lines.push(`UPDATE party SET touched = ${touched};`);
  return lines.join("\n");
}

/** SQLite adds no foreign key to a table that is there: its cycle is in the model alone. */
export const recordsModel: CrmModel = {
  entities: [
    {
      name: "party",
      table: { name: "party" },
      title: [{ column: "name" }],
      extensions: [{ table: { name: "party_extra" }, key: "party_id" }],
      created: { column: "created" },
      modified: [{ column: "touched" }],
      deleted: { column: "deleted", when: "true" },
    },
    {
      name: "contact",
      table: { name: "contact" },
      title: [{ column: "name" }, { column: "email" }],
      extensions: [],
      modified: [],
    },
    { name: "invoice", table: { name: "invoice" }, title: [{ column: "ref" }], extensions: [], modified: [] },
    { name: "product", table: { name: "product" }, title: [{ column: "name" }], extensions: [], modified: [] },
  ],
  references: [
    reference("contact", "party", "party", "belongs"),
    reference("party", "main_contact", "contact", "refers"),
    reference("invoice", "party", "party", "belongs"),
    reference("invoice_line", "invoice", "invoice", "belongs"),
    ...["party", "invoice"].map((equals) => ({
      ...reference("note", "parent_id", equals, "belongs"),
      when: { column: "parent_type", equals },
    })),
  ],
  noise: [{ table: { name: "party" }, columns: ["touched"] }],
};

function reference(from: string, column: string, to: string, kind: "belongs" | "links" | "refers") {
  return { from: { name: from }, columns: [column], to: { name: to }, referenced: ["id"], kind };
}

/** The CRM on a server or in a file, its repository, and the use cases called as the command line calls them. */
export interface RecordsCrm {
  readonly engine: Engine;
  readonly description: CrmDescription;
  readonly attachments: string;
  readonly access: { readonly location: string; readonly password: string };
  readonly run: Run;
  backup(): Promise<BackupReport>;
  plan(
    selection: Partial<RecordSelection>,
    more?: Partial<Omit<RestorePlanInput, "switches">> & { readonly switches?: Partial<RestorePlanInput["switches"]> },
  ): Promise<RestorePlan>;
  apply(plan: RestorePlan, as?: Run): Promise<RestoreReport>;
  undo(): Promise<UndoReport>;
}

export interface RecordsWithRows extends RecordsCrm {
  /** Every row of every table. */
  rows(): Promise<ReadonlyMap<string, readonly string[]>>;
}

const tableNames = [
  "party",
  "party_extra",
  "contact",
  "product",
  "invoice",
  "invoice_line",
  "tag",
  "party_tag",
  "note",
  "log",
];

export interface RecordsWorld {
  readonly engine: DatabaseEngine;
  readonly url: string;
  /** Runs a script; gives what a `SELECT` finds, a row a line. */
  readonly sql: (script: string) => Promise<string>;
}

export async function recordsCrm(root: string, { engine, url, sql }: RecordsWorld): Promise<RecordsWithRows> {
  const attachments = join(root, "attachments");
  mkdirSync(join(attachments, "notes"), { recursive: true });
  for (const n of [5, 6, 7, 8]) writeFileSync(join(attachments, "notes", `${n}.txt`), `note ${n}\n`);
  const crm = await platformCrm(root, {
    platform: { ...custom, model: async () => recordsModel },
    ...{ engine, url, files: attachments, neutralise: ["UPDATE log SET line = ''"] },
    attachments: [{ table: "note", column: "path", folder: "attachments" }],
  });
  return {
    ...crm,
    async rows() {
      const tables = new Map<string, readonly string[]>();
      for (const name of tableNames) {
        tables.set(
          name,
          (await sql(`SELECT * FROM ${name}`))
            .split("\n")
            .filter((line) => line !== "")
            .toSorted(),
        );
      }
      return tables;
    },
  };
}

export interface PlatformWorld {
  readonly platform: Platform;
  readonly engine: DatabaseEngine;
  readonly url: string;
  readonly configuration?: string;
  readonly files: string;
  readonly attachments?: CrmDescription["attachments"];
  readonly neutralise?: CrmDescription["neutralise"];
}

/** A CRM that is there, with a new repository below `root`. */
export async function platformCrm(root: string, world: PlatformWorld): Promise<RecordsCrm> {
  let newest: PointName = { kind: "latest" };
  const { platform, engine: database, url, configuration, files, attachments = [] } = world;
  const configFile = join(root, "holdfast.yaml");
  writeFileSync(configFile, "crm:\n  name: acme\n");
  const access = { location: join(root, "backups"), password: "correct horse" };
  const description: CrmDescription = {
    ...{
      name: "acme",
      platform: platform.name,
      database: url,
      excludes: [],
      neutralise: world.neutralise ?? [],
      attachments,
    },
    files: attachments.length === 0 ? [] : [{ name: "attachments", path: files }],
    ...(configuration !== undefined && { configuration }),
  };
  const engine: Engine = {
    program: "holdfast test",
    openStorage: localStorage,
    platforms: [platform],
    databases: [database],
    stateFolder: join(root, "state"),
    readSecret: async () => "",
    host: { hostname: "test", username: "test", uid: 0, gid: 0 },
  };
  const run: Run = { signal: new AbortController().signal, now: () => new Date(), report: () => {} };
  const opening = { signal: run.signal, now: run.now, host: engine.host };
  await using _repository = await createCheapRepository(localStorage(access.location), access.password, opening);
  return {
    ...{ engine, description, attachments: files, access, run },
    async backup() {
      const input = {
        crm: description,
        configFile,
        repository: access,
        limits,
        waitMs: 0,
        inconsistencies: "warn" as const,
      };
      const report = await backup(engine, input, run);
      newest = { kind: "id", prefix: report.snapshot };
      return report;
    },
    plan: (selection, more) =>
      planRestore(
        engine,
        {
          repository: access,
          point: newest,
          crms: [description],
          ...more,
          scope: {
            kind: "records",
            selection: { handles: [], keys: [], compared: [], in: [], related: "all", renames: [], ...selection },
          },
          switches: { createMissing: true, updateChanged: false, removeNewer: false, ...more?.switches },
        },
        run,
      ),
    apply: (plan, as = run) =>
      applyRestore(
        engine,
        {
          plan: plan.id,
          password: access.password,
          limits,
          crms: [description],
          ...(plan.confirm && { confirm: plan.confirm }),
        },
        as,
      ),
    undo: () => undoRestore(engine, { password: access.password, crms: [description] }, run),
  };
}
