import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PostgresServer } from "../support/postgres-server.ts";
import { commandOutput } from "../support/run-command.ts";

/** Debian's own Python, for which its Tryton packages install; nothing is compiled into this folder. */
export const python = "/usr/bin/python3";
export const trytonScript = (name: string): readonly string[] => ["-B", join(import.meta.dirname, name)];

export interface TrytonCrm {
  readonly folder: string;
  readonly configuration: string;
  readonly database: "crm";
  readonly sqlite: string;
  /** Folder of the file store. */
  readonly store: string;
}

export function trytonCrmIn(folder: string): TrytonCrm {
  return {
    folder,
    configuration: join(folder, "trytond.conf"),
    database: "crm",
    sqlite: join(folder, "data/crm.sqlite"),
    store: join(folder, "data/crm"),
  };
}

const cacheFolder = join(import.meta.dirname, "../../node_modules/.cache/holdfast");
const timeoutMs = 280_000;
const sizes = { parties: 2000, attachments: 200 } as const;

/**
 * A Tryton CRM made by `make-crm.py` in `folder`, which is made. It takes trytond half a minute, so the first one is
 * kept and copied from then on; another one is made when the scripts or the installed trytond are others.
 */
export async function makeTrytonCrm(folder: string): Promise<TrytonCrm> {
  const cached = join(cacheFolder, `tryton-${await recipe()}`);
  if (!existsSync(cached)) {
    const making = `${cached}.${process.pid}`;
    rmSync(making, { recursive: true, force: true });
    mkdirSync(making, { recursive: true });
    const args = [making, String(sizes.parties), String(sizes.attachments)];
    await commandOutput(python, [...trytonScript("make-crm.py"), ...args], { timeoutMs });
    keep(making, cached);
  }
  cpSync(cached, folder, { recursive: true });
  const crm = trytonCrmIn(folder);
  const text = readFileSync(crm.configuration, "utf8");
  writeFileSync(crm.configuration, text.replace(/^path = .*$/m, `path = ${join(folder, "data")}`));
  return crm;
}

/** The same on a server of PostgreSQL, made there the first time and loaded from a dump from then on. */
export async function makeTrytonCrmOn(server: PostgresServer, folder: string): Promise<TrytonCrm> {
  const cached = join(cacheFolder, `tryton-postgres-${await recipe()}`);
  const dump = join(cached, "crm.dump");
  const uri = `postgresql://postgres:any@127.0.0.1:${server.port}/`;
  const client = ["-h", server.folder, "-p", String(server.port), "-U", "postgres"];
  await server.sql("CREATE DATABASE crm");
  if (existsSync(dump)) {
    await commandOutput("pg_restore", [...client, "-d", "crm", dump]);
  } else {
    const making = `${cached}.${process.pid}`;
    rmSync(making, { recursive: true, force: true });
    mkdirSync(making, { recursive: true });
    const args = [making, String(sizes.parties / 4), String(sizes.attachments / 4), uri];
    await commandOutput(python, [...trytonScript("make-crm.py"), ...args], { timeoutMs });
    await commandOutput("pg_dump", [...client, "-Fc", "-f", join(making, "crm.dump"), "crm"]);
    keep(making, cached);
  }
  cpSync(cached, folder, { recursive: true });
  rmSync(join(folder, "crm.dump"));
  const crm = trytonCrmIn(folder);
  const text = readFileSync(crm.configuration, "utf8");
  const placed = text.replace(/^path = .*$/m, `path = ${join(folder, "data")}`);
  writeFileSync(crm.configuration, placed.replace(/^uri = postgresql.*$/m, `uri = ${uri}`));
  return crm;
}

function keep(made: string, cached: string): void {
  try {
    renameSync(made, cached);
  } catch (error) {
    if (!existsSync(cached)) throw error;
    rmSync(made, { recursive: true }); // another test was faster
  }
}

async function recipe(): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(sizes));
  for (const name of ["admin.py", "crm.py", "make-crm.py"]) hash.update(readFileSync(join(import.meta.dirname, name)));
  hash.update(await commandOutput(python, ["-c", "import trytond; print(trytond.__version__)"]));
  return hash.digest("hex").slice(0, 16);
}

/** Counts and checksums of all records of a model, see `crm.py`. */
export type ModelSums = Readonly<Record<string, readonly [count: number, sum: number]>>;

export interface TrytonAnswer {
  /** The writer's last operation. */
  readonly operation: number;
  readonly models: ModelSums;
  readonly withoutFile: readonly string[];
  readonly activeJobs: readonly string[];
  readonly queued: number;
  readonly sessions: number;
  readonly mail: string;
}

/** What a CRM answers through trytond's own models. */
export async function askTryton({ configuration, database }: TrytonCrm): Promise<TrytonAnswer> {
  return JSON.parse(await commandOutput(python, [...trytonScript("ask.py"), configuration, database])) as TrytonAnswer;
}
