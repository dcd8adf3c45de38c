import { join } from "node:path";

/** What npm would install, built from this checkout by `scripts/test.ts` before the tests run. */
const builtPackage = join(import.meta.dirname, "../../node_modules/.cache/holdfast-package");

/** The folder that PATH holds where the command stands in it by its name. */
export const programFolder = join(builtPackage, "bin");

/** The command as a person starts it. */
export const holdfastProgram = join(programFolder, "holdfast");

/** The same for who starts Node.js himself. */
export const programModule = join(builtPackage, "dist/main.js");
