import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { cheapenKeysBelow } from "../support/cheap-key.ts";
import { programModule } from "../support/program.ts";
import { cheapProcess } from "../support/run-command.ts";

/** Arguments of Node that run the program. */
export const program = ["--disable-warning=ExperimentalWarning", programModule];

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Working directory; the CRM's folder when absent. */
  readonly folder?: string;
  /** Run as another user of this machine. */
  readonly uid?: number;
}

/** A small CRM in a temporary folder, with a home of its own; a scope. */
export interface CliCrm extends Disposable {
  readonly folder: string;
  readonly config: string;
  readonly database: string;
  /** Runs the program as a child process to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Ended>;
  /** The same with `--json`, its lines parsed. */
  json(args: readonly string[], options?: RunOptions): Promise<Ended & { readonly records: readonly JsonRecord[] }>;
}

export type JsonRecord = Readonly<Record<string, unknown>> & { readonly type: string };

/** The only line there is, and a list in it. */
export function listIn(
  ended: { readonly records: readonly JsonRecord[] },
  key: string,
): readonly Readonly<Record<string, unknown>>[] {
  const [record, ...others] = ended.records;
  if (!record || others.length > 0) throw new Error(`one line was expected, not ${ended.records.length}`);
  return record[key] as readonly Readonly<Record<string, unknown>>[];
}

export const password = "correct horse battery staple";

export function cliCrm(): CliCrm {
  const root = mkdtempSync(join(tmpdir(), "holdfast-cli-"));
  const folder = join(root, "acme");
  mkdirSync(join(folder, "attachments"), { recursive: true });
  mkdirSync(join(root, "home"));
  const database = join(folder, "crm.db");
  using open = new DatabaseSync(database);
  open.exec(`
    CREATE TABLE contacts (id INTEGER PRIMARY KEY, name TEXT, phone TEXT);
    CREATE TABLE deals (id INTEGER PRIMARY KEY, title TEXT, contact_id INTEGER REFERENCES contacts (id));
    INSERT INTO contacts (name, phone) VALUES ('Ada', '1'), ('王芳', '2'), ('Grace', '3');
    INSERT INTO deals (title, contact_id) VALUES ('合同', 2);`);
  writeFileSync(join(folder, "attachments/合同.txt"), "a contract\n");
  writeFileSync(join(folder, "attachments/notes.txt"), "notes\n");
  writeFileSync(join(folder, "password.txt"), `${password}\n`, { mode: 0o600 });
  const config = join(folder, "holdfast.yaml");
  writeFileSync(config, configText);

  const run: CliCrm["run"] = async (args, options = {}) => {
    const ended = await runProgram(args, { home: join(root, "home"), folder, ...options });
    if (args.includes("init")) await cheapenKeysBelow(root, password);
    return ended;
  };
  return {
    folder,
    config,
    database,
    run,
    async json(args, options) {
      const ended = await run(["--json", ...args], options);
      const lines = ended.stdout.split("\n").filter((line) => line !== "");
      return { ...ended, records: lines.map((line) => JSON.parse(line) as JsonRecord) };
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

export const configText = `crm:
  name: acme
  platform: custom
  database: sqlite:./crm.db
  files: [./attachments]
repository:
  location: ./backups
  password: file:./password.txt
timezone: Asia/Shanghai
`;

interface ProgramOptions extends RunOptions {
  readonly home: string;
  readonly folder: string;
}

async function runProgram(typed: readonly string[], options: ProgramOptions): Promise<Ended> {
  const { home, folder, environment = {}, uid } = options;
  const child = spawn(process.execPath, [...program, ...typed], {
    cwd: folder,
    env: {
      PATH: process.env["PATH"],
      HOME: home,
      LANG: "C",
      HOLDFAST_STATE: join(home, "state"),
      ...cheapProcess(),
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const [stdout, stderr, code] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve)),
  ]);
  return { code, stdout, stderr };
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}
