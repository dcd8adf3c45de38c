import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setAside } from "./set-aside.ts";
import { measure, together, type Cost } from "./measure.ts";

/** One backup program with a repository of its own: what every scenario asks of it. */
export interface Tool {
  readonly name: string;
  readonly version: string;
  /** An empty repository, the old one gone. Not measured. */
  create(source: Source): void;
  backup(source: Source): Cost;
  /** The newest backup into `target`, which is empty; what was restored lies in `restored(target)`. */
  restore(source: Source, target: string): Cost;
  restored(source: Source, target: string): string;
  /** One folder of the newest backup, right below the source's, into `target`, which is empty. */
  restorePart(part: string, target: string): Cost;
  /** Gives up all backups but the newest, and the space that only they needed. */
  forgetAllButNewest(): Cost;
  /** The database of the newest backup to a server, under a name that is free there; absent: it knows no servers. */
  restoreTo?(url: string): Cost;
  /** Begins a command that runs beside others and tells what it does as lines of JSON; absent: it has none such. */
  begin?(...args: readonly string[]): ChildProcess;
  /** Bytes of all files of the repository; unknown where it is elsewhere. */
  storedBytes(): number | undefined;
}

export interface Source {
  readonly folder: string;
  /** File name of the SQLite database in `folder`, where that is what is backed up. */
  readonly database?: string;
  /** A folder of files beside that database. */
  readonly files?: string;
  /** Of a database on a server, where that is what is backed up. */
  readonly url?: string;
  /** How such a database is read; absent: as fast as can be. */
  readonly limits?: "default";
}

const password = "bench";

/** Where a repository is, if it is not on local disk: a new one, by its name, each time. */
export interface RemotePlace {
  readonly kind: string;
  location(repository: string): string;
  readonly environment: Readonly<Record<string, string>>;
  resticLocation(repository: string): string;
  readonly resticAccess: {
    readonly options?: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
  };
}

function environment(home: string): Record<string, string> {
  mkdirSync(home, { recursive: true });
  return { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: home, LANG: "C.UTF-8" };
}

function folderBytes(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size;
  }
  return bytes;
}

/** Ours, as it is installed: `bin/`, `dist/` and the packages, without the sources. */
export function holdfastTool(work: string, root: string, place?: RemotePlace): Tool {
  const home = join(work, place === undefined ? "holdfast" : `holdfast-${place.kind}`);
  const installed = join(home, "package");
  const local = join(home, "repository");
  let created = 0;
  const config = join(home, "holdfast.yaml");
  rmSync(home, { recursive: true, force: true });
  mkdirSync(installed, { recursive: true });
  for (const part of ["bin", "dist", "package.json"]) {
    cpSync(join(root, part), join(installed, part), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(installed, "node_modules"));
  const program = join(installed, "bin/holdfast");
  const env = { ...environment(home), ...place?.environment };
  writeFileSync(join(home, "password.txt"), password, { mode: 0o600 });
  const run = (...args: string[]) =>
    measure(home, [program, "--config", config, "--json", ...args], { cwd: home, env });

  const describe = ({ folder, database, files, url }: Source) => {
    const filesOf = (path: string) => ["  files:", `    data: ${JSON.stringify(path)}`];
    const parts = url
      ? [`  database: ${url}`]
      : database
        ? [
            `  database: ${JSON.stringify(`sqlite:${join(folder, database)}`)}`,
            ...(files === undefined ? [] : filesOf(files)),
          ]
        : filesOf(folder);
    const repositoryLines = [
      "repository:",
      `  location: ${JSON.stringify(place?.location(`holdfast-${created}`) ?? local)}`,
      "  password: file:./password.txt",
    ];
    writeFileSync(config, ["crm:", "  name: bench", "  platform: custom", ...parts, ...repositoryLines, ""].join("\n"));
  };

  return {
    name: "holdfast",
    version: measure(home, [program, "--version"], { cwd: home, env }).output.trim(),
    create(source) {
      if (place === undefined) setAside(work, local);
      created++;
      describe(source);
      run("init");
    },
    backup: ({ url, limits }) =>
      run("backup", ...(url !== undefined && limits === undefined ? ["--limit", "none"] : [])),
    restore: (_source, target) =>
      run("restore", "run", "latest", "--system", "--target", target, "--as", "replacement", "--yes"),
    restored: (source, target) => join(target, basename(source.folder)),
    restorePart: (part, target) => run("restore", "run", "latest", `/files/data/${part}`, "--target", target, "--yes"),
    restoreTo: (url) =>
      run("restore", "run", "latest", "--database", "--to-database", url, "--as", "replacement", "--yes"),
    forgetAllButNewest: () => run("forget", "--keep-last", "1", "--prune", "--now"),
    begin: (...args) =>
      spawn(program, ["--config", config, "--json", ...args], { cwd: home, env, stdio: ["ignore", "pipe", "inherit"] }),
    storedBytes: () => (place === undefined ? folderBytes(local) : undefined),
  };
}

export function resticTool(work: string, place?: RemotePlace): Tool {
  const home = join(work, place === undefined ? "restic" : `restic-${place.kind}`);
  const local = join(home, "repository");
  let created = 0;
  rmSync(home, { recursive: true, force: true });
  const { options = [], environment: login = {} } = place?.resticAccess ?? {};
  const run = (cwd: string, ...args: string[]) => {
    const repository = place?.resticLocation(`restic-${created}`) ?? local;
    const env = { ...environment(home), ...login, RESTIC_REPOSITORY: repository, RESTIC_PASSWORD: password };
    return measure(home, ["restic", ...options, ...args], { cwd, env });
  };
  return {
    name: "restic",
    version: run(home, "version").output.split(" ").slice(0, 2).join(" "),
    create() {
      if (place === undefined) setAside(work, local);
      created++;
      run(home, "init");
    },
    backup: (source) => run(source.folder, "backup", source.database ?? "."),
    restore: (_source, target) => run(home, "restore", "latest", "--target", target),
    restored: (_source, target) => target,
    restorePart: (part, target) => run(home, "restore", "latest", "--include", `/${part}`, "--target", target),
    forgetAllButNewest: () => run(home, "forget", "--keep-last", "1", "--prune"),
    storedBytes: () => (place === undefined ? folderBytes(local) : undefined),
  };
}

/** With `zstd,1`, the fastest of its compressions that makes as little as restic's. */
export function borgTool(work: string): Tool {
  const home = join(work, "borg");
  const repository = join(home, "repository");
  rmSync(home, { recursive: true, force: true });
  const env = {
    ...environment(home),
    BORG_REPO: repository,
    BORG_PASSPHRASE: password,
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
    BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes",
  };
  const run = (cwd: string, ...args: string[]) => measure(home, ["borg", ...args], { cwd, env, accept: [0, 1] });
  let archive = 0;
  return {
    name: "borg",
    version: run(home, "--version").output.trim(),
    create() {
      setAside(work, repository);
      setAside(work, join(home, ".cache"));
      setAside(work, join(home, ".config"));
      run(home, "init", "--encryption", "repokey");
    },
    backup(source) {
      archive++;
      return run(source.folder, "create", "--compression", "zstd,1", `::bench-${archive}`, source.database ?? ".");
    },
    restore: (_source, target) => run(target, "extract", `::bench-${archive}`),
    restored: (_source, target) => target,
    restorePart: (part, target) => run(target, "extract", `::bench-${archive}`, part),
    forgetAllButNewest: () => together([run(home, "prune", "--keep-last", "1"), run(home, "compact")]),
    storedBytes: () => folderBytes(repository),
  };
}
