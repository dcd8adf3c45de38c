import { join } from "node:path";
import { runCli } from "../../src/cli/cli.ts";
import type { OutputStream } from "../../src/cli/output.ts";
import { createKeyRing } from "../../src/engine/key-ring.ts";
import { custom } from "../../src/crm/custom.ts";
import type { DatabaseEngine } from "../../src/database/database.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { normalisePassword } from "../../src/format/key-file.ts";
import { openDoor } from "../../src/jobs/run.ts";
import { localStorage } from "../../src/storage/local.ts";
import { folderDrive } from "../../src/volumes/folder-drive.ts";
import type { CommandResult } from "./run-command.ts";

/** For repositories on this disk, and a CRM on SQLite unless other databases are named. */
export function engineHere(stateFolder: string, databases: readonly DatabaseEngine[] = [sqliteEngine]): Engine {
  return {
    program: "holdfast test",
    openStorage: localStorage,
    openDrive: ({ place, volumeBytes }) => folderDrive(place, volumeBytes),
    platforms: [custom],
    databases,
    stateFolder,
    readSecret: () => Promise.reject(new Error("no secrets here")),
    host: { hostname: "test", username: "test", uid: 0, gid: 0 },
  };
}

/**
 * The whole command line, from what was typed to the exit code, without a process of its own: for campaigns that run
 * thousands of commands. What is about processes (kills, locks between them) starts one.
 */
export async function holdfastHere(engine: Engine, args: readonly string[], folder: string): Promise<CommandResult> {
  const [stdout, stderr] = [textStream(), textStream()];
  const keys = createKeyRing({ loadStorage: async () => engine.openStorage });
  const code = await runCli({
    typed: ["--lang", "en", ...args],
    version: "test",
    schemaFile: join(import.meta.dirname, "../../docs/holdfast.schema.json"),
    environment: { PATH: process.env["PATH"], HOME: folder },
    folder,
    signal: new AbortController().signal,
    decodePassword: async (bytes) => normalisePassword(bytes),
    stdin: process.stdin,
    stdout,
    stderr,
    now: () => new Date(),
    door: openDoor({ loadEngine: async () => engine, keys, lockFolders: ["/run/lock"] }),
  });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

function textStream(): OutputStream & { text(): string } {
  const parts: Buffer[] = [];
  return {
    write: (part) => parts.push(Buffer.from(part)) > 0,
    text: () => Buffer.concat(parts).toString("utf8"),
  };
}
