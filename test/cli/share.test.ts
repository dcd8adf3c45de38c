import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fuseLacks } from "../support/fuse-folder.ts";
import { holdfast } from "../support/holdfast.ts";
import { bareEnvironment } from "../support/page-commands.ts";
import { resticOn } from "../support/restic.ts";
import { commandOutput } from "../support/run-command.ts";
import { cliCrm, password } from "./cli-crm.ts";

/** A share that is served by a program of its own: `stop` ends the program, and everything there fails until it is there again. */
async function shareOf(folder: string, at: string) {
  const device = statSync(at).dev;
  const program = spawn("bindfs", ["-f", folder, at], { stdio: "ignore" });
  while (statSync(at).dev === device) await wait(20);
  let isThere = true;
  return {
    stop: () => void program.kill("SIGKILL"),
    async [Symbol.asyncDispose]() {
      program.kill("SIGKILL");
      if (isThere) await commandOutput("umount", ["--lazy", at]);
      isThere = false;
    },
  };
}

const lacks = await fuseLacks();

test("a share that goes away and comes back: it waits, says so, and goes on", { skip: lacks ?? false }, async () => {
  using crm = cliCrm();
  const [real, share] = [join(crm.folder, "../real"), join(crm.folder, "../share")];
  for (const folder of [real, share]) mkdirSync(folder);
  writeFileSync(crm.config, readFileSync(crm.config, "utf8").replace("./backups", "../share/backups"));
  {
    await using mounted = await shareOf(real, share);
    const made = await crm.run(["init", "--yes"]);
    assert.equal(made.code, 0, made.stderr);
    mounted.stop();
    const told = Promise.withResolvers<void>();
    const backup = holdfast(["backup"], {
      cwd: crm.folder,
      env: bareEnvironment(join(crm.folder, "../home")),
      onError: (text) => void (text.includes("trying again") && told.resolve()),
    });
    await Promise.race([told.promise, backup]);
    await mounted[Symbol.asyncDispose]();
    await using _again = await shareOf(real, share);
    const { code, stderr } = await backup;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /The storage cannot be reached \(ENOTCONN\); trying again/);
  }
  await resticOn(join(real, "backups"), password).check();
});
