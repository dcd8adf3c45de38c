import assert from "node:assert/strict";
import { basename } from "node:path";
import { type ModelCommands, record, type Side } from "./model-commands.ts";
import type { ModelLedger } from "./model-ledger.ts";
import { damageFile, damagesOf, repositoryFiles } from "./repository-copy.ts";
import type { SeededRandom } from "./seeded-random.ts";

interface Scene {
  readonly commands: ModelCommands;
  readonly ledger: ModelLedger;
  readonly random: SeededRandom;
}

/** Damages files, which `verify` finds, and repairs all of it, sometimes cut off by a kill. Gives how many files. */
export async function damageAndRepair(scene: Scene, side: Side): Promise<number> {
  const { commands, ledger } = scene;
  await commands.succeed("unlock", ...commands.on(side));
  const damaged = damage(scene, side, await namedPacks(commands, side));
  const { code, stdout } = await commands.run(["verify", "--read-data", ...commands.on(side), "--json"]);
  assert.equal(code, 40, `not found: ${[...damaged].join(", ")}`);
  const { defects } = record(stdout, "verify") as {
    readonly defects: readonly { readonly snapshots: readonly string[] }[];
  };
  for (const what of ["index", "packs", "snapshots"]) await repair(scene, side, what);
  const touched = new Set(defects.flatMap(({ snapshots }) => snapshots));
  await ledger.learnRepaired(side, touched, damaged);
  await commands.succeed("verify", "--read-data", ...commands.on(side));
  await commands.restic(side).check();
  return damaged.size;
}

/** Packs that an index names for their blobs: of others, those that a prune has marked among them, nobody reads anything. */
async function namedPacks(commands: ModelCommands, side: Side): Promise<ReadonlySet<string>> {
  const restic = commands.restic(side);
  const named = new Set<string>();
  for (const name of (await restic.output("list", "index", "--no-lock")).trim().split("\n")) {
    const { packs } = JSON.parse(await restic.output("cat", "index", name, "--no-lock")) as {
      readonly packs: readonly { readonly id: string }[];
    };
    for (const { id } of packs) named.add(id);
  }
  return named;
}

/** One to three files, each damaged in some way; those that are not what they were. No key: it may be the only one. */
function damage({ commands, random }: Scene, side: Side, named: ReadonlySet<string>): ReadonlySet<string> {
  const folder = commands.path(side);
  const damaged = new Set<string>();
  for (let count = 1 + random.below(3); count > 0; count--) {
    // Beside keys not what a killed run left half-written, which nobody reads.
    const isKept = (file: string): boolean => file.startsWith("keys/") || file.includes("-tmp-") || damaged.has(file);
    const isRead = (file: string): boolean => !file.startsWith("data/") || named.has(basename(file));
    const files = repositoryFiles(folder).filter((file) => !isKept(file) && isRead(file));
    const [file, other] = [random.pick(files), random.pick(files)];
    const isListed = (name: string): boolean => name.startsWith("snapshots/");
    const ways = damagesOf(folder, file, file === other ? [] : [other]);
    // What is deleted leaves nothing to be found by: a snapshot that is gone looks like one that was forgotten.
    const chosen = random.pick(ways.filter(({ kind }) => kind !== "delete" || !isListed(file)));
    commands.told.push(`  ${side}/${file}: ${JSON.stringify(chosen)}`);
    damageFile(folder, file, chosen);
    damaged.add(file);
    if (chosen.kind === "swap") damaged.add(other);
  }
  return damaged;
}

/** Plans and applies, sometimes cut off by a kill, and finds nothing more to do. */
async function repair(scene: Scene, side: Side, what: string): Promise<void> {
  const { commands, random } = scene;
  const plan = async () => {
    const said = await commands.succeed("repair", what, ...commands.on(side), "--json");
    return record(said, "repair") as { readonly id: string; readonly needed: boolean };
  };
  const first = await plan();
  if (!first.needed) return;
  if (random.oneIn(3)) {
    await commands.killed("repair", what, ...commands.on(side), "--apply", first.id);
    // Packs that it stored and did not live to name: snapshots are not mended before it is known what is in those.
    if (what === "snapshots") await repair(scene, side, "index");
  }
  const second = await plan();
  if (second.needed) await commands.succeed("repair", what, ...commands.on(side), "--apply", second.id);
  assert.equal((await plan()).needed, false, `repair ${what} again`);
}
