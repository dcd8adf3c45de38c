import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

export interface KitInput {
  readonly repository: RepositoryAccess;
}

/** What a person needs on the worst day; `words/` turns it into the page to print. */
export interface Kit {
  readonly type: "kit";
  readonly location: string;
  readonly repositoryId: string;
  readonly password: string;
  readonly crms: readonly string[];
  readonly created: string;
  /** First 16 digits of SHA-256 over location, id and password: a typing check. */
  readonly checksum: string;
}

/** Opens the repository with this password, so that a kit is never printed for one that does not open. */
export async function makeKit(_engine: Engine, _input: KitInput, _run: Run): Promise<Kit> {
  throw new HoldfastError("internal");
}

/** Records that a kit with this checksum was used to open the repository (`kit --check`); `doctor` stops warning. */
export async function markKitUsed(_engine: Engine, _input: KitInput, _checksum: string, _run: Run): Promise<void> {
  throw new HoldfastError("internal");
}
