import type { ServerHome } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { AddressOf } from "./database-address.ts";
import { databaseEngineFor, type Engine } from "./engine.ts";

/**
 * Swapping a database that a restore has made into place on its server, and back: the same as `swap.ts` does with
 * files. What is there is told by its identity, which renames take along, so a step that was cut off between two
 * renames can be done or taken back by anybody who has the list. Nothing is copied and nothing is deleted.
 */
export interface DatabaseStep {
  /** URLs, without secrets: where it belongs, where it was made, where what it replaced is kept. */
  readonly target: string;
  readonly slot: string;
  readonly aside: string;
  /** Identity of what was made; absent: it is not made yet. */
  readonly made?: string;
  /** Digest of what was made (`ServerHome.contents`). Absent: a record of an earlier release. */
  readonly holds?: string;
  /** Identity of what was at `target`; absent: there was nothing. */
  readonly old?: string;
  /** There was an empty database, which this makes anew. */
  readonly empty?: string;
}

/** Where steps are done: the engine knows the servers, `addressOf` their passwords. */
export interface SwapPlace {
  readonly engine: Engine;
  readonly addressOf: AddressOf;
  readonly signal: AbortSignal;
}

/** For what is not to stop half-way: whoever cancels once it has begun comes too late, and it ends as it would have. */
export function toTheEnd<T extends { readonly signal: AbortSignal }>(one: T): T {
  return { ...one, signal: new AbortController().signal };
}

/**
 * Steps that are not begun, as their targets are now: what somebody has made there since they were planned is what they replace. MySQL
 * and MariaDB know a database by a table that an emptied or altered one may have been: to them it is another one then.
 */
export async function databasesAsFound(
  steps: readonly DatabaseStep[],
  place: SwapPlace,
): Promise<readonly DatabaseStep[]> {
  const found: DatabaseStep[] = [];
  for (const step of steps) {
    const { look, settle } = stepOn(step, place);
    await settle();
    const seen = await look();
    const present = isUntouched(step, seen) ? seen.target : step.old;
    const { old: _, ...rest } = step;
    found.push({ ...rest, ...(present !== undefined && { old: present }) });
  }
  return found;
}

/** What was made stands where it was made, and nothing was moved out of its way. */
function isUntouched({ made }: DatabaseStep, { slot, aside }: Seen): boolean {
  return made !== undefined && slot === made && aside === undefined;
}

/**
 * Does a step, if it is not done, and proves that what stands at the target is what was made: somebody may have dropped
 * or changed it while the swap was cut off. Fails with `restore-lost`.
 */
export async function databaseForward(step: DatabaseStep, place: SwapPlace): Promise<void> {
  const { home, look, rename, settle } = stepOn(step, place);
  await settle();
  const { target: present, slot } = await look();
  if (present === undefined || present !== step.made) {
    if (slot !== step.made) throw lostMade(step);
    if (present !== undefined) {
      if (present !== step.old) throw new HoldfastError("plan-outdated", { path: step.target });
      await rename(step.target, step.aside);
    }
    await rename(step.slot, step.target);
  }
  if (step.holds === undefined) return;
  if ((await home.contents(place.addressOf(step.target), place.signal)) !== step.holds) throw lostMade(step);
}

/** Takes a step back, if it was done: whatever has become of what was made is kept in its slot. */
export async function databaseBack(step: DatabaseStep, place: SwapPlace): Promise<void> {
  await takeBack(step, place);
  const { addressOf, signal } = place;
  const { home } = stepOn(step, place);
  if (step.old === undefined && step.empty !== undefined) {
    await home.makeEmpty?.(addressOf(step.target), step.empty, signal);
  }
}

async function takeBack(step: DatabaseStep, place: SwapPlace): Promise<void> {
  const { look, rename, settle } = stepOn(step, place);
  await settle();
  const seen = await look();
  const present = seen.target;
  if (!isKept(step, seen)) throw new HoldfastError("undo-lost", { path: step.aside });
  if (isUntouched(step, seen) || present === step.old) return;
  // Nothing is there between two renames, and after somebody dropped it: what was replaced can take its place.
  if (present !== undefined) {
    if (seen.slot !== undefined) throw new HoldfastError("plan-outdated", { path: step.target });
    await rename(step.target, step.slot);
  }
  if (step.old !== undefined) await rename(step.aside, step.target);
}

/** Whether what a step replaced is still there to be put back. */
export async function isDatabaseKept(step: DatabaseStep, place: SwapPlace): Promise<boolean> {
  return step.old === undefined || isKept(step, await stepOn(step, place).look());
}

function isKept(step: DatabaseStep, seen: Seen): boolean {
  if (step.old === undefined || seen.target === step.old || seen.aside === step.old) return true;
  return seen.target !== undefined && isUntouched(step, seen);
}

/** Removes what was made, or what was kept: never the target. */
export async function dropDatabases(step: DatabaseStep, place: SwapPlace): Promise<void> {
  const { home } = stepOn(step, place);
  await Promise.all([step.slot, step.aside].map((url) => home.drop(place.addressOf(url), place.signal)));
}

/** A server's home, or a refusal: the step was written by us, for a server. */
export function serverHome(engine: Engine, url: string): ServerHome {
  const { home } = databaseEngineFor(engine, url);
  if (home.kind !== "server") throw new HoldfastError("internal", { url });
  return home;
}

/** Identities of what is at the three places of a step; `undefined`: nothing. */
type Seen = Readonly<Record<"target" | "slot" | "aside", string | undefined>>;

function stepOn(step: DatabaseStep, { engine, addressOf, signal }: SwapPlace) {
  const home = serverHome(engine, step.target);
  return {
    home,
    look: async (): Promise<Seen> => {
      const identity = (url: string) => home.identity(addressOf(url), signal);
      const [target, slot, aside] = await Promise.all([step.target, step.slot, step.aside].map(identity));
      return { target, slot, aside };
    },
    /** A rename that was cut off is finished before anybody looks: what is half here and half there can be neither. */
    settle: async () => {
      for (const url of [step.target, step.slot, step.aside]) {
        await home.settle?.(addressOf(url), signal);
      }
    },
    rename: (from: string, to: string) => home.rename(addressOf(from), addressOf(to), signal),
  };
}

function lostMade({ target, slot, aside, old }: DatabaseStep): HoldfastError {
  return new HoldfastError("restore-lost", { path: target, slot, ...(old !== undefined && { kept: aside }) });
}
