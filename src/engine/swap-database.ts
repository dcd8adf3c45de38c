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
  /** Identity of what was at `target`; absent: there was nothing. */
  readonly old?: string;
}

/** Where steps are done: the engine knows the servers, `addressOf` their passwords. */
export interface SwapPlace {
  readonly engine: Engine;
  readonly addressOf: AddressOf;
  readonly signal: AbortSignal;
}

/** Does a step, if it is not done. */
export async function databaseForward(step: DatabaseStep, place: SwapPlace): Promise<void> {
  const { home, identity, rename } = stepOn(step, place);
  const present = await identity(step.target);
  if (present !== undefined && present === step.made) return;
  if ((await identity(step.slot)) !== step.made) throw lost(step.slot);
  if (present !== undefined) {
    if (present !== step.old) throw new HoldfastError("plan-outdated", { path: step.target });
    await rename(home, step.target, step.aside);
  }
  await rename(home, step.slot, step.target);
}

/** Takes a step back, if it was done. */
export async function databaseBack(step: DatabaseStep, place: SwapPlace): Promise<void> {
  const { home, identity, rename } = stepOn(step, place);
  if (!(await isDatabaseKept(step, place))) throw lost(step.aside);
  const present = await identity(step.target);
  if (present !== undefined && present === step.made) await rename(home, step.target, step.slot);
  else if (present !== step.old) throw new HoldfastError("plan-outdated", { path: step.target });
  if (step.old !== undefined && present !== step.old) await rename(home, step.aside, step.target);
}

/** Whether what a step replaced is still there to be put back. */
export async function isDatabaseKept(step: DatabaseStep, place: SwapPlace): Promise<boolean> {
  if (step.old === undefined) return true;
  const { identity } = stepOn(step, place);
  return (await identity(step.aside)) === step.old || (await identity(step.target)) === step.old;
}

/** Removes what was made, or what was kept: never the target. */
export async function dropDatabases(step: DatabaseStep, place: SwapPlace): Promise<void> {
  const { home } = stepOn(step, place);
  for (const url of [step.slot, step.aside]) await home.drop(place.addressOf(url), place.signal);
}

/** A server's home, or a refusal: the step was written by us, for a server. */
export function serverHome(engine: Engine, url: string): ServerHome {
  const { home } = databaseEngineFor(engine, url);
  if (home.kind !== "server") throw new HoldfastError("internal", { url });
  return home;
}

function stepOn(step: DatabaseStep, { engine, addressOf, signal }: SwapPlace) {
  return {
    home: serverHome(engine, step.target),
    identity: (url: string) => serverHome(engine, url).identity(addressOf(url), signal),
    rename: (home: ServerHome, from: string, to: string) => home.rename(addressOf(from), addressOf(to), signal),
  };
}

function lost(path: string): HoldfastError {
  return new HoldfastError("undo-lost", { path });
}
