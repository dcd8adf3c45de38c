import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isHoldfastError } from "../lib/errors.ts";
import type { SpareFiles } from "../repository/protect.ts";
import type { Engine } from "./engine.ts";
import { writeStateBytes } from "./state.ts";

/** In the state folder, below `locked/`, by repository. They are sealed as in the repository itself. */
export function spareFiles(engine: Pick<Engine, "stateFolder">, repository: string): SpareFiles {
  const folder = `locked/${repository}`;
  const nameOf = (path: string): string => path.replaceAll("/", " ");
  return {
    async keep(path, bytes) {
      try {
        await writeStateBytes(engine, join(folder, nameOf(path)), bytes);
      } catch (error) {
        // One that is full is no reason not to try: whoever is not killed just then puts it back from memory.
        if (!isHoldfastError(error, "state-unwritable")) throw error;
      }
    },
    drop: (path) => rm(join(engine.stateFolder, folder, nameOf(path)), { force: true }),
    async *left() {
      const names = await readdir(join(engine.stateFolder, folder)).catch((): string[] => []);
      for (const name of names) {
        const bytes = await readFile(join(engine.stateFolder, folder, name));
        yield { path: name.replaceAll(" ", "/"), bytes };
      }
    },
  };
}
