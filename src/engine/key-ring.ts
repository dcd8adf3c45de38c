import type { CacheChoice } from "../lib/cache-choice.ts";
import type { ForeseenKey, FoundKey, LoadedKeyFile } from "../repository/master-key.ts";
import type { CacheFolder } from "../storage/cache-folder.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

/**
 * Master keys that are being worked out, or are. A key is begun as soon as its password is known: scrypt takes another
 * thread a fifth of a second, in which the rest of the program is loaded. Light to load for the same reason.
 */
export interface KeyRing {
  /** Resolves when it is being worked out, or cannot be. A failure is forgotten: the repository may be made yet. */
  begin(access: RepositoryAccess, signal: AbortSignal): Promise<void>;
  /**
   * Begins with what is known here of a repository elsewhere: the salt of the key that opened it last. Nobody is asked, and
   * nothing is believed of it: it is of use where a key file has that salt.
   */
  foresee(access: Pick<RepositoryAccess, "location" | "password">): Promise<void>;
  /** `undefined` where it was not begun. */
  find(access: RepositoryAccess): Promise<FoundKey> | undefined;
}

export interface KeyRingOptions {
  readonly loadStorage: () => Promise<Engine["openStorage"]>;
  /** What is kept on this machine of a repository; `undefined` of one that is here anyway, or where nothing is to be kept. */
  readonly cacheOf?: (location: string, choice?: CacheChoice) => Promise<CacheFolder | undefined>;
}

export function createKeyRing({ loadStorage, cacheOf }: KeyRingOptions): KeyRing {
  const keys = new Map<string, Promise<FoundKey>>();
  const foreseen = new Map<string, ForeseenKey>();
  const foreseenName = ({ location, password }: Pick<RepositoryAccess, "location" | "password">) =>
    JSON.stringify([location, password]);
  const nameOf = ({ location, password, asOf }: RepositoryAccess) => JSON.stringify([location, password, asOf ?? null]);

  async function keep({ location, cache }: RepositoryAccess, file: LoadedKeyFile): Promise<void> {
    const folder = await cacheOf?.(location, cache);
    const [{ encodeSalted }, { saltedIn }] = await Promise.all([
      import("../format/key-file.ts"),
      import("../repository/master-key.ts"),
    ]);
    const salted = saltedIn(file);
    if (salted) await folder?.keepSalt(encodeSalted(salted));
  }

  return {
    async foresee(access) {
      const { location, password } = access;
      const [folder, { deriveKey, parseSalted }] = await Promise.all([
        cacheOf?.(location),
        import("../format/key-file.ts"),
      ]);
      const known = await folder?.salt();
      if (known === undefined || password === "") return;
      try {
        const salted = parseSalted(known);
        const userKey = deriveKey(password, salted);
        userKey.catch(() => undefined);
        foreseen.set(foreseenName(access), { salted, userKey });
      } catch {
        // As if nothing were known.
      }
    },
    async begin(access, signal) {
      const { location, password, asOf, keeping, reach } = access;
      const name = nameOf(access);
      if (password === "" || keys.has(name)) return;
      const begun = Promise.withResolvers<void>();
      const find = async (): Promise<FoundKey> => {
        const [openStorage, masterKey] = await Promise.all([loadStorage(), import("../repository/master-key.ts")]);
        const how = {
          asOf,
          reading: "through",
          use: "brief",
          ...(keeping && { keeping }),
          ...(reach && { reach }),
        } as const;
        await using storage = await openStorage(location, how);
        const files = await masterKey.loadKeyFiles(storage, signal);
        const expected = foreseen.get(foreseenName(access));
        const opening = masterKey.openMasterKey(files, storage.location, password, signal, expected);
        begun.resolve();
        const found = await opening;
        const file = files.find(({ name: id }) => id === found.keyId);
        if (file && !(expected && masterKey.isOf(file, expected.salted))) await keep(access, file);
        return found;
      };
      const finding = find();
      keys.set(name, finding);
      finding.catch(() => {
        keys.delete(name);
        begun.resolve();
      });
      // What was foreseen needs nobody's help: who waits for a far repository may load the rest meanwhile.
      if (!foreseen.has(foreseenName(access))) await begun.promise;
    },
    find: (access) => keys.get(nameOf(access)),
  };
}
