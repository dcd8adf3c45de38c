import type { FoundKey } from "../repository/master-key.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

/**
 * Master keys that are being worked out, or are. A key is begun as soon as its password is known: scrypt takes another
 * thread a fifth of a second, in which the rest of the program is loaded. Light to load for the same reason.
 */
export interface KeyRing {
  /** Resolves when it is being worked out, or cannot be. A failure is forgotten: the repository may be made yet. */
  begin(access: RepositoryAccess, signal: AbortSignal): Promise<void>;
  /** `undefined` where it was not begun. */
  find(access: RepositoryAccess): Promise<FoundKey> | undefined;
}

export function createKeyRing(loadStorage: () => Promise<Engine["openStorage"]>): KeyRing {
  const keys = new Map<string, Promise<FoundKey>>();
  const nameOf = ({ location, password, asOf }: RepositoryAccess) => JSON.stringify([location, password, asOf ?? null]);

  return {
    async begin(access, signal) {
      const { location, password, asOf, keeping, reach } = access;
      const name = nameOf(access);
      if (password === "" || keys.has(name)) return;
      const begun = Promise.withResolvers<void>();
      const find = async (): Promise<FoundKey> => {
        const [openStorage, masterKey] = await Promise.all([loadStorage(), import("../repository/master-key.ts")]);
        const how = { asOf, reading: "through", ...(keeping && { keeping }), ...(reach && { reach }) } as const;
        await using storage = await openStorage(location, how);
        const files = await masterKey.loadKeyFiles(storage, signal);
        const opening = masterKey.openMasterKey(files, storage.location, password, signal);
        begun.resolve();
        return await opening;
      };
      const finding = find();
      keys.set(name, finding);
      finding.catch(() => {
        keys.delete(name);
        begun.resolve();
      });
      await begun.promise;
    },
    find: (access) => keys.get(nameOf(access)),
  };
}
