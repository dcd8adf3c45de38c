import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Files of a repository in a folder, relative, in order; locks left out. */
export function repositoryFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => !path.startsWith("locks/"))
    .toSorted();
}

export function copyFolder(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true, preserveTimestamps: true });
}

/**
 * Each index reserves gigabytes of addresses, which a process that opens hundreds of repositories must give back before
 * it can start another program.
 */
export function giveBackMemory(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

function changeFile(path: string, change: (bytes: Buffer) => Buffer): void {
  chmodSync(path, 0o600);
  writeFileSync(path, change(readFileSync(path)));
}

/** What a disk may do to a file. */
export type Damage =
  | { readonly kind: "flip"; readonly at: number }
  | { readonly kind: "cut"; readonly to: number }
  | { readonly kind: "delete" }
  | { readonly kind: "swap"; readonly other: string };

export function damageFile(folder: string, file: string, damage: Damage): void {
  const path = join(folder, file);
  if (damage.kind === "delete") rmSync(path);
  else if (damage.kind === "cut") changeFile(path, (bytes) => bytes.subarray(0, damage.to));
  else if (damage.kind === "flip") {
    changeFile(path, (bytes) => {
      bytes[damage.at] = (bytes[damage.at] ?? 0) ^ 0x10;
      return bytes;
    });
  } else {
    const other = join(folder, damage.other);
    const [mine, theirs] = [readFileSync(path), readFileSync(other)];
    changeFile(path, () => theirs);
    changeFile(other, () => mine);
  }
}

/** Flips, cuts, a deletion and swaps of one file; `others`: what it may be swapped with. */
export function damagesOf(folder: string, file: string, others: readonly string[]): readonly Damage[] {
  const { size } = statSync(join(folder, file));
  const within = (at: number): number => Math.max(0, Math.min(size - 1, Math.floor(at)));
  const flips = [...new Set([0, size * 0.3, size * 0.7, size - 5].map(within))];
  return [
    ...flips.map((at): Damage => ({ kind: "flip", at })),
    { kind: "cut", to: 0 },
    { kind: "cut", to: within(size * 0.6) },
    { kind: "cut", to: size - 1 },
    { kind: "delete" },
    ...others.map((other): Damage => ({ kind: "swap", other })),
  ];
}
