import { createHash } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { openFor } from "./access.ts";
import { chooseCrm, crmOf, isBackup } from "./points.ts";
import { readState, writeState } from "./state.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

export interface KitInput {
  readonly repository: RepositoryAccess;
  /** Of this CRM alone; absent: of all that are in the repository. */
  readonly crm?: string;
  /** Which are to be backed up into it: a kit may well be printed before the first backup. */
  readonly configured: readonly string[];
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
export async function makeKit(engine: Engine, input: KitInput, run: Run): Promise<Kit> {
  await using repository = await openFor(engine, input.repository, run);
  const snapshots = await repository.snapshots(run.signal);
  return {
    type: "kit",
    location: repository.location,
    repositoryId: repository.id,
    password: input.repository.password,
    crms:
      input.crm === undefined
        ? [...new Set([...input.configured, ...snapshots.filter(isBackup).map(crmOf)])].toSorted()
        : [chooseCrm(snapshots, input.crm)],
    created: run.now().toISOString(),
    checksum: checksum(repository.location, repository.id, input.repository.password),
  };
}

/**
 * Opens the repository with what a person typed from a printed kit and compares the checksum; from then on `doctor`
 * knows that the kit works. Fails with `kit-mismatch` when the paper belongs to another repository or password.
 */
export async function markKitUsed(
  engine: Engine,
  input: Pick<KitInput, "repository">,
  typed: string,
  run: Run,
): Promise<void> {
  await using repository = await openFor(engine, input.repository, run);
  const expected = checksum(repository.location, repository.id, input.repository.password);
  if (typed.replaceAll(/[^0-9a-f]/gi, "").toLowerCase() !== expected) throw new HoldfastError("kit-mismatch", {});
  await writeState(engine, kitRecord(repository.id), { checksum: expected, used: run.now().toISOString() });
}

/** Whether a kit of this repository was ever used on this machine. */
export async function kitWasUsed(engine: Engine, repositoryId: string): Promise<boolean> {
  return (await readState(engine, kitRecord(repositoryId))) !== undefined;
}

const kitRecord = (repositoryId: string) => `kits/${repositoryId}.json`;

function checksum(location: string, id: string, password: string): string {
  return createHash("sha256").update(`${location}\n${id}\n${password}`).digest("hex").slice(0, 16);
}
