import { readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import type { DriveChoice, Engine, OpenStorageOptions } from "./engine/engine.ts";
import type { KeyRing } from "./engine/key-ring.ts";
import type { Drive } from "./volumes/drive.ts";
import type { CacheChoice } from "./lib/cache-choice.ts";
import type { CacheFolder } from "./storage/cache-folder.ts";
import { IdleStorages } from "./storage/idle-storages.ts";
import type { Storage, StorageOpening } from "./storage/storage.ts";

/**
 * The composition root: the one place that knows every storage, database and platform. What a command does not need
 * is not loaded: `--version` ends here, help loads the command line, and the engine comes with the first use case.
 */
async function main(): Promise<void> {
  const typed = process.argv.slice(2);
  if (typed.length === 1 && (typed[0] === "--version" || typed[0] === "-V")) {
    process.stdout.write(`${version()}\n`);
    return;
  }
  const cancelling = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => cancel(cancelling));
  // Whoever reads our output may stop reading (`| head`): that is an end, not an error.
  process.stdout.on("error", () => process.exit(0));
  const { signal } = cancelling;
  const surroundings = { environment: process.env, folder: process.cwd(), signal, decodePassword };
  // scrypt first: it works on a thread of its own while everything else is loaded.
  const [{ createKeyRing }, { peekRepository }, { isPath }] = await Promise.all([
    import("./engine/key-ring.ts"),
    import("./cli/peek-repository.ts"),
    import("./config/location.ts"),
  ]);
  const keys = createKeyRing({ loadStorage, cacheOf });
  const likely = await peekRepository(typed, surroundings);
  if (likely !== undefined) await (isPath(likely.location) ? keys.begin(likely, signal) : keys.foresee(likely));
  const [{ runCli }, { openDoor }] = await Promise.all([import("./cli/cli.ts"), import("./jobs/run.ts")]);
  const code = await runCli({
    typed,
    version: version(),
    ...surroundings,
    schemaFile: shipped("docs/holdfast.schema.json").pathname,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    now: () => new Date(),
    door: openDoor({ loadEngine: () => loadEngine(keys), keys, lockFolders: ["/run/lock"] }),
  });
  process.exit(code);
}

async function decodePassword(bytes: Buffer): Promise<string> {
  const { normalisePassword } = await import("./format/key-file.ts");
  return normalisePassword(bytes);
}

/** What was read last is stored for an orderly end, which a far repository makes slow. */
const longestEndMs = 20_000;

/** The second time, or when cleaning up takes too long, the process ends at once: locks are found stale later. */
function cancel(cancelling: AbortController): void {
  const cancelled = 130;
  if (cancelling.signal.aborted) process.exit(cancelled);
  cancelling.abort();
  setTimeout(() => process.exit(cancelled), longestEndMs).unref();
}

/** Each kind of storage by what stands before the colon of a location; loaded by the first that needs it. */
const remoteStorages: Readonly<Record<string, Opener>> = {
  async s3(location, { environment, opening, silentMs }) {
    const { s3Storage } = await import("./storage/s3.ts");
    return s3Storage(location, environment, { ...opening, ...(silentMs !== undefined && { idleMs: silentMs }) });
  },
  async rest(location, { environment, silentMs }) {
    const { restStorage } = await import("./storage/rest.ts");
    return restStorage(location, environment, silentMs);
  },
  async volumes(location) {
    const [{ volumeStorage }, openDrive] = await Promise.all([import("./volumes/volume-storage.ts"), loadDrives()]);
    return volumeStorage(location, openDrive({ place: location.slice("volumes:".length) }));
  },
  async sftp(location, { environment, silentMs }) {
    const { sftpStorage } = await import("./storage/sftp.ts");
    return sftpStorage(location, environment, silentMs);
  },
  async azure(location, { environment, opening, silentMs }) {
    const { azureStorage } = await import("./storage/azure.ts");
    return azureStorage(location, environment, { ...opening, silentMs });
  },
  async gs(location, { environment, opening, silentMs }) {
    const { gsStorage } = await import("./storage/gs.ts");
    return gsStorage(location, environment, { ...opening, silentMs });
  },
};

const idleStorages = new IdleStorages();

/** By itself, since the key of a repository is begun before the rest of the engine is there. */
async function loadStorage(): Promise<Engine["openStorage"]> {
  const [{ localStorage }, { HoldfastError }, { isPath }] = await Promise.all([
    import("./storage/local.ts"),
    import("./lib/errors.ts"),
    import("./config/location.ts"),
  ]);
  const open = async (
    location: string,
    { keeping, reach = {}, asOf, use, onWait }: OpenStorageOptions,
  ): Promise<Storage> => {
    const opener = isPath(location) ? localStorage : remoteStorages[location.slice(0, location.indexOf(":"))];
    if (opener === undefined) throw new HoldfastError("storage-address", { location });
    const { credentials, renewed, traffic = {} } = reach;
    const environment = { ...process.env, ...credentials };
    const renewLogin = renewed && (async (stop: AbortSignal) => ({ ...process.env, ...(await renewed(stop)) }));
    const opening = { ...keeping, now: () => new Date(), ...(renewLogin && { renewLogin }) };
    const connect = async () => opener(location, { environment, opening, silentMs: traffic.silentMs });
    const name = JSON.stringify([location, keeping, credentials, traffic.silentMs]);
    // A folder needs no connection, and a drive is not held for whoever may come.
    const isServer = !isPath(location) && !location.startsWith("volumes:");
    const opened = isServer ? await idleStorages.take(name, connect, use) : await connect();
    if (opening.lock !== undefined && !opened.retention) {
      throw new HoldfastError("storage-lock-unsupported", { location });
    }
    const cold = keeping?.coldClass;
    if (cold !== undefined && opened.traits.coldClass !== cold)
      throw new HoldfastError("cold-unsupported", { location });
    if (keeping?.parity && !opened.traits.parity) throw new HoldfastError("parity-unsupported", { location });
    if (asOf !== undefined && !opened.asOf) throw new HoldfastError("storage-no-versions", { location });
    const storage = (asOf && opened.asOf?.(asOf)) ?? opened;
    const { withRetry } = await import("./storage/retry.ts");
    // A folder may be a share, which goes away and comes back.
    const again = (one: Storage): Storage => (onWait ? withRetry(one, { onRetry: onWait }) : one);
    if (isPath(location)) return again(storage);
    const { withLimits } = await import("./storage/limit.ts");
    return again(withLimits(storage, { ...traffic, clock: () => performance.now() }));
  };
  return async (location, options = { reading: "through" }) => {
    const { cache, reading } = options;
    const storage = await open(location, options);
    const kept = await cacheOf(location, cache);
    if (kept === undefined) return storage;
    const { withCache } = await import("./storage/cache.ts");
    return withCache(storage, { cache: kept, reading });
  };
}

/** What is kept on this machine of a repository; `undefined`: nothing. */
async function cacheOf(location: string, choice?: CacheChoice): Promise<CacheFolder | undefined> {
  const [{ defaultCache }, { CacheFolder: Folder }, { isPath }] = await Promise.all([
    import("./lib/cache-choice.ts"),
    import("./storage/cache-folder.ts"),
    import("./config/location.ts"),
  ]);
  const { use, maxBytes } = choice ?? defaultCache;
  if (use === "never" || (use === "auto" && isPath(location))) return undefined;
  return new Folder({ folder: cacheFolder(process.env), location, maxBytes, now: () => new Date() });
}

type Opener = (
  location: string,
  how: {
    readonly environment: NodeJS.ProcessEnv;
    readonly opening: StorageOpening;
    readonly silentMs: number | undefined;
  },
) => Storage | Promise<Storage>;

/** What volumes are on: `tape:DEVICE`, or a folder. */
async function loadDrives(): Promise<(choice: DriveChoice) => Drive> {
  const [{ folderDrive }, { tapeDrive }] = await Promise.all([
    import("./volumes/folder-drive.ts"),
    import("./volumes/tape-drive.ts"),
  ]);
  return ({ place, volumeBytes, changer }) =>
    place.startsWith("tape:")
      ? tapeDrive({ device: place.slice("tape:".length), environment: process.env, ...(changer && { changer }) })
      : folderDrive(place, volumeBytes);
}

async function loadEngine(keys: KeyRing): Promise<Engine> {
  const [openStorage, openDrive, { IdleIndex }, { sqliteEngine }, { postgresEngine }, { mysqlEngine }, ...crms] =
    await Promise.all([
      loadStorage(),
      loadDrives(),
      import("./repository/idle-index.ts"),
      import("./database/sqlite/sqlite.ts"),
      import("./database/postgres/postgres.ts"),
      import("./database/mysql/mysql.ts"),
      import("./crm/custom.ts"),
      import("./crm/tryton.ts"),
      import("./crm/dolibarr.ts"),
      import("./crm/suitecrm.ts"),
      import("./crm/espocrm.ts"),
      import("./crm/vtiger.ts"),
      import("./crm/civicrm.ts"),
      import("./crm/odoo.ts"),
      import("./crm/twenty.ts"),
    ]);
  const [
    { custom },
    { tryton },
    { dolibarr },
    { suitecrm },
    { espocrm },
    { vtiger },
    { civicrm },
    { odoo },
    { twenty },
  ] = crms;
  const { username, uid, gid } = user();
  return {
    program: `holdfast ${version()}`,
    openStorage,
    openDrive,
    keys,
    idleIndex: new IdleIndex(),
    platforms: [tryton, dolibarr, suitecrm, espocrm, vtiger, civicrm, odoo, twenty, custom],
    databases: [sqliteEngine, postgresEngine(process.env), mysqlEngine],
    stateFolder: stateFolder(process.env),
    readSecret: async (reference, signal) => {
      const [{ parseSecretReference }, { readSecret }] = await Promise.all([
        import("./config/secret-reference.ts"),
        import("./config/secrets.ts"),
      ]);
      const bytes = await readSecret(parseSecretReference(reference, "/"), { signal, environment: process.env });
      return bytes.toString("utf8").replace(/\r?\n$/, "");
    },
    host: { hostname: hostname(), username, uid, gid },
  };
}

/** A process may run under a user id that has no name, in a container for example. */
function user(): { readonly username: string; readonly uid: number; readonly gid: number } {
  try {
    return userInfo();
  } catch {
    const uid = process.getuid?.() ?? 0;
    return { username: String(uid), uid, gid: process.getgid?.() ?? 0 };
  }
}

/** Plans, undo records and kits of this user; of the machine for a process without a home, such as a service. */
function stateFolder(environment: NodeJS.ProcessEnv): string {
  const { HOLDFAST_STATE: own, XDG_STATE_HOME: state, HOME: home } = environment;
  if (own) return own;
  if (state) return join(state, "holdfast");
  return home ? join(home, ".local/state/holdfast") : "/var/lib/holdfast";
}

/** What may be deleted at any time. */
function cacheFolder(environment: NodeJS.ProcessEnv): string {
  const { HOLDFAST_CACHE: own, XDG_CACHE_HOME: cache, HOME: home } = environment;
  if (own) return own;
  if (cache) return join(cache, "holdfast/repositories");
  return home ? join(home, ".cache/holdfast/repositories") : "/var/cache/holdfast/repositories";
}

function version(): string {
  return (JSON.parse(readFileSync(shipped("package.json"), "utf8")) as { readonly version: string }).version;
}

/** A file of the package: this one lies in `src/`, or built in `dist/`. */
function shipped(path: string): URL {
  return new URL(`../${path}`, import.meta.url);
}

await main();
