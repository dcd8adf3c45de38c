import { accessSync, constants } from "node:fs";
import { tmpdir } from "node:os";
import { HoldfastError } from "./errors.ts";
import { hasSystemCode } from "./system-code.ts";

/** Where what is large may stay over a restart, and is on a disk: `/tmp` is often memory. */
const forLarge = "/var/tmp";

/** Folder for temporary files that may become as large as a table or a database: `TMPDIR`, else one on a disk. */
export function largeTemporaryFolder(environment: NodeJS.ProcessEnv): string {
  if (environment["TMPDIR"]) return environment["TMPDIR"];
  try {
    accessSync(forLarge, constants.W_OK | constants.X_OK);
    return forLarge;
  } catch {
    return tmpdir();
  }
}

/** What failed while a temporary file was written in `folder`: `temporary-full` where there is no room, else as it is. */
export function temporaryFailure(error: unknown, folder: string): unknown {
  return hasSystemCode(error, "ENOSPC", "EDQUOT")
    ? new HoldfastError("temporary-full", { path: folder }, error)
    : error;
}
