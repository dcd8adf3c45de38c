import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { custom } from "../../src/crm/custom.ts";
import type { Platform } from "../../src/crm/platform.ts";
import type { DatabaseEngine } from "../../src/database/database.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { recordsModel, recordsRows, recordsSchema } from "./records-crm.ts";
import { smallCrm, type SmallCrm } from "./small-crm.ts";

/** A CRM of records that hang together (`records-crm.ts`), and what its platform knows of them. */
export interface LookCrm extends SmallCrm {
  /** Runs statements on its database. */
  change(statements: string): Promise<void>;
}

export interface LookServer {
  readonly url: string;
  readonly engine: DatabaseEngine;
  readonly sql: (statements: string) => Promise<unknown>;
}

export async function lookCrm(root: string, server?: LookServer): Promise<LookCrm> {
  const file = join(root, "records.db");
  const sql = async (statements: string): Promise<void> => {
    if (server) await server.sql(statements);
    else {
      using connection = new DatabaseSync(file);
      connection.exec(statements);
    }
  };
  const name = server?.engine.name ?? "sqlite";
  await sql(recordsSchema(name));
  await sql(recordsRows(name));
  const small = await smallCrm(root, { url: server?.url ?? `sqlite:${file}`, engine: server?.engine ?? sqliteEngine });
  const platform: Platform = { ...custom, model: async () => recordsModel };
  const description = {
    ...small.description,
    attachments: [{ table: "note", column: "path", folder: "attachments" }],
  };
  mkdirSync(join(small.attachments, "notes"));
  for (let n = 1; n <= 4; n++) writeFileSync(join(small.attachments, `notes/${n}.txt`), `note ${n}\n`);
  return {
    ...small,
    description,
    engine: { ...small.engine, platforms: [platform] },
    change: sql,
    backup: (kind, more) => small.backup(kind, { crm: description, inconsistencies: "accept", ...more }),
  };
}
