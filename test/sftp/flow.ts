import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { buildCrm } from "../../demo/build-crm.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { holdfast } from "../support/holdfast.ts";
import { bareEnvironment, pageCommands } from "../support/page-commands.ts";
import { remoteFlow } from "../support/remote-flow.ts";
import { resticOn } from "../support/restic.ts";
import type { SshdServer } from "../support/sshd-server.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const password = "a password";

/** Through the command line, beside restic's own client of SFTP. */
export function testFlow(sshd: SshdServer, storageAt: (location: string) => Storage): void {
  const environment = (home: string) => ({ ...bareEnvironment(home), ...sshd.environment });
  // With one slash less than restic's short form: there is none for a port.
  const resticLocation = (name: string) => sshd.location(name);

  test("a CRM, from its first backup to its restore, with restic as the judge", () =>
    remoteFlow({
      location: sshd.location,
      storageAt,
      resticLocation,
      resticAccess: sshd.resticAccess,
      environment,
    }));

  test("a server that dies in the middle of a backup and comes back: it waits, and goes on", async () => {
    using folder = temporaryFolder();
    const cwd = join(folder.path, "crm");
    buildCrm(cwd);
    const env = environment(folder.path);
    writeFileSync(join(folder.path, "password.txt"), `${password}\n`, { mode: 0o600 });
    const init = ["init", "--yes", "--repository", sshd.location("dies"), "--password-file", "../password.txt"];
    const made = await holdfast(init, { cwd, env });
    assert.equal(made.code, 0, made.stderr);
    await sshd.kill();
    const told = Promise.withResolvers<void>();
    const onError = (text: string) => void (text.includes("trying again") && told.resolve());
    const backup = holdfast(["backup"], { cwd, env, onError });
    await told.promise;
    await sshd.restart();
    const { code, stderr } = await backup;
    assert.ok(code === 0 || code === 3, stderr);
    assert.match(stderr, /cannot be reached \(Connection refused\); trying again/);
    await resticOn(resticLocation("dies"), password, sshd.resticAccess).check();
  });

  test("bad input is one line and a hint", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "password.txt"), `${password}\n`, { mode: 0o600 });
    writeFileSync(join(folder.path, "known"), "");
    for (const [location, more, code, sentence] of [
      [sshd.location("nowhere"), {}, 10, /There is no repository/],
      [sshd.location("nowhere"), { SFTP_KEY_FILE: sshd.sealedKeyFile }, 1, /does not accept the login/],
      [sshd.location("nowhere"), { SFTP_KNOWN_HOSTS: join(folder.path, "known") }, 1, /is not known.*SHA256/],
      ["sftp:me:SECRET@host:/srv", {}, 2, /sftp:…@host:\/srv is no place .*password/],
      ["sftp:host.invalid:/srv", {}, 2, /host\.invalid:\/srv is no place/],
    ] as const) {
      const env = { ...environment(folder.path), ...more };
      const args = ["--repository", location, "--password-file", "password.txt", "snapshots"];
      const answer = await holdfast(args, { cwd: folder.path, env });
      assert.match(answer.stderr, sentence);
      assert.equal(answer.code, code, answer.stderr);
      assert.ok(!answer.stderr.includes("SECRET"), answer.stderr);
      assert.ok(answer.stderr.trim().split("\n").length <= 4, answer.stderr);
    }
  });

  test("the page on it says what works", () =>
    pageCommands({
      section: "SFTP",
      example: "sftp:backup@backup.example.com:/srv/backups/acme",
      place: sshd.location,
      environment,
    }));
}
