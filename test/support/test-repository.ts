import type { Snapshot } from "../../src/format/snapshot.ts";
import type { Id } from "../../src/format/tree.ts";
import type { Limits } from "../../src/lib/limits.ts";
import type { IndexedRepository, Repository, StoredSnapshot, Upload } from "../../src/repository/repository.ts";
import { localStorage } from "../../src/storage/local.ts";
import { memoryStorage } from "../../src/storage/memory.ts";
import { createCheapRepository } from "./cheap-key.ts";
import { resticOn, type Restic } from "./restic.ts";

/** A real repository for one test, in memory or in a folder where restic can look at it. */
export interface TestRepository extends AsyncDisposable {
  readonly repository: Repository;
  readonly signal: AbortSignal;
  readonly limits: Limits;
  /** The repository as it is now. */
  index(): Promise<IndexedRepository>;
  /**
   * Uploads under a lock: `use` gives the root tree of the snapshot that is then written, with what else it answers.
   */
  upload<T extends { readonly tree: Id }>(
    use: (upload: Upload, indexed: IndexedRepository) => Promise<T>,
  ): Promise<T & { readonly stored: StoredSnapshot }>;
  restic(): Restic;
}

const password = "correct horse";

/** `folder`: where the repository is made; absent: in memory. */
export async function testRepository(folder?: string): Promise<TestRepository> {
  const { signal } = new AbortController();
  const now = (): Date => new Date();
  const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
  const storage = folder === undefined ? memoryStorage() : localStorage(folder);
  const repository = await createCheapRepository(storage, password, { signal, now, host });
  const limits: Limits = { workers: 2, priority: "normal" };
  return {
    repository,
    signal,
    limits,
    index: () => repository.index(signal),
    async upload(use) {
      await using lock = await repository.lock("shared", { signal, now, waitMs: 0 });
      const indexed = await repository.index(signal);
      await using upload = await indexed.upload({ signal, lock, limits });
      const answer = await use(upload, indexed);
      const snapshot: Snapshot = { time: now().toISOString(), tree: answer.tree, paths: ["/test"], hostname: "test" };
      return { ...answer, stored: await upload.finish(snapshot) };
    },
    restic: () => resticOn(folder ?? "", password),
    [Symbol.asyncDispose]: () => repository[Symbol.asyncDispose](),
  };
}
