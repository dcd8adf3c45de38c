import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { storageContract } from "../../src/storage/contract.ts";
import { withRetry } from "../../src/storage/retry.ts";
import { sftpStorage } from "../../src/storage/sftp.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { freePort } from "../support/free-port.ts";
import { startSshd } from "../support/sshd-server.ts";
import { fails, fileOf, listed } from "../support/storage-probes.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { testFlow } from "./flow.ts";

/** SFTP storage on OpenSSH's server: one for all. */
const sshd = await startSshd();
after(() => sshd[Symbol.asyncDispose]());

const { signal } = new AbortController();
const environment = { ...process.env, ...sshd.environment };
const freshPlace = () => sshd.location(`${randomUUID()}/a path`);
/** `silentMs`: for a test of silence itself; a machine that is busy is silent for longer. */
const storageAt = (location: string, more: NodeJS.ProcessEnv = {}, silentMs?: number): Storage =>
  sftpStorage(location, { ...environment, ...more }, silentMs);

storageContract("SFTP, on OpenSSH", async () => storageAt(freshPlace()));

async function tryIt(location: string, more: NodeJS.ProcessEnv = {}): Promise<void> {
  await using storage = storageAt(location, more);
  await storage.create(signal);
}

test("a key that is unknown or sealed, a passphrase and a login that are wrong, and nobody there", async () => {
  using folder = temporaryFolder();
  const location = freshPlace();
  const other = join(folder.path, "other");
  writeFileSync(other, readFileSync(sshd.keyFile).subarray(0, 200), { mode: 0o600 });
  await fails(tryIt(location, { SFTP_KEY_FILE: other }), "storage-login", "publickey,password");
  await fails(tryIt(location, { SFTP_KEY_FILE: sshd.sealedKeyFile }), "storage-login");
  const sealed = { SFTP_KEY_FILE: sshd.sealedKeyFile, SFTP_KEY_PASSPHRASE: "wrong" };
  await fails(tryIt(location, sealed), "storage-login");
  await tryIt(location, { ...sealed, SFTP_KEY_PASSPHRASE: sshd.passphrase });
  await fails(tryIt(location, { SFTP_KEY_FILE: other, SFTP_PASSWORD: "wrong" }), "storage-login");
  await fails(
    tryIt(location.replace(`:${sshd.port}/`, `:${await freePort()}/`)),
    "storage-unreachable",
    "Connection refused",
  );
  await fails(tryIt("sftp:host.invalid:/srv"), "storage-address");
  await fails(tryIt(location, { PATH: folder.path }), "storage-program");
});

test("a host that is not known, or shows another key: what there is to compare and to write down", async () => {
  using folder = temporaryFolder();
  const location = freshPlace();
  const known = join(folder.path, "known_hosts");
  writeFileSync(known, "");
  const unknown = await fails(tryIt(location, { SFTP_KNOWN_HOSTS: known }), "storage-host-unknown");
  assert.equal(unknown["host"], `[127.0.0.1]:${sshd.port}`);
  assert.match(String(unknown["fingerprint"]), /^SHA256:[A-Za-z0-9+/]{43}$/);
  assert.equal(unknown["file"], known);
  assert.equal(readFileSync(known, "utf8"), "", "nothing is written by itself");
  // The line is what the error says it is.
  writeFileSync(known, `${String(unknown["line"])}\n`);
  await tryIt(location, { SFTP_KNOWN_HOSTS: known });
  const right = readFileSync(sshd.knownHosts);
  await sshd.restart({ hostKey: "another" });
  const changed = await fails(tryIt(location), "storage-host-changed");
  assert.notEqual(changed["fingerprint"], unknown["fingerprint"]);
  assert.deepEqual(readFileSync(sshd.knownHosts), right);
  writeFileSync(sshd.knownHosts, `${String(changed["line"])}\n`);
  await tryIt(location);
});

test("what ~/.ssh/config says of a host is heeded", async () => {
  using folder = temporaryFolder();
  const config = join(folder.path, "config");
  writeFileSync(
    config,
    `Host backup\n HostName 127.0.0.1\n Port ${sshd.port}\n User ${sshd.user}\n IdentityFile ${sshd.keyFile}\n UserKnownHostsFile ${sshd.knownHosts}\n`,
  );
  const more = { SFTP_SSH_CONFIG: config, SFTP_KEY_FILE: "", SFTP_KNOWN_HOSTS: "" };
  await tryIt(`sftp:backup:${sshd.folder}/by-alias`, more);
  assert.ok(readdirSync(join(sshd.folder, "by-alias")).includes("keys"));
});

test("a folder that this user may not write to; a place without SFTP", async () => {
  await fails(tryIt(sshd.location("../not here")), "storage-denied", "Permission denied");
  try {
    await sshd.restart({ lines: ["ForceCommand echo hello from a shell"] });
    await fails(tryIt(freshPlace()), "storage-address", "no SFTP");
  } finally {
    await sshd.restart();
  }
});

test("a server that falls silent, breaks off, or is gone for a while is tried again", async () => {
  await using storage = storageAt(freshPlace(), {}, 3000);
  const waits: string[] = [];
  const patient = withRetry(storage, {
    firstPauseMs: 100,
    onRetry: (error) => waits.push(String(error.facts["reason"])),
  });
  // Again where the machine is so busy that it takes longer than that.
  await patient.create(signal);
  waits.length = 0;
  const [file, bytes] = [fileOf(), randomBytes(8_000_000)];
  sshd.pause();
  const stalled = patient.save(file, bytes, signal);
  while (waits.length === 0) await new Promise((done) => setTimeout(done, 50));
  sshd.resume();
  await stalled;
  assert.equal(waits[0], "TimeoutError");
  for (let round = 0; round < 3; round++) {
    const loading = patient.load(file, undefined, signal);
    setTimeout(() => sshd.cut(), 20 + 50 * round);
    assert.ok(bytes.equals(await loading));
  }
  await sshd.kill();
  const saving = patient.save(fileOf(), bytes, signal);
  await new Promise((done) => setTimeout(done, 300));
  await sshd.restart();
  await saving;
  assert.ok(waits.includes("Connection refused"), waits.join());
});

test("nothing is written where the server's disk with the repository went away", async () => {
  const name = randomUUID();
  await using storage = storageAt(sshd.location(name));
  await storage.create(signal);
  const path = join(sshd.folder, name);
  renameSync(path, `${path}-elsewhere`);
  await fails(storage.save(fileOf("data"), Buffer.from("x"), signal), "storage-unreachable");
  assert.ok(!existsSync(path));
  mkdirSync(path);
  await fails(storage.save(fileOf("data"), Buffer.from("x"), signal), "storage-unreachable");
  assert.deepEqual(readdirSync(path), []);
});

test("saving what is there already leaves no file open on the server", async () => {
  await using storage = storageAt(freshPlace());
  await storage.create(signal);
  const file = fileOf("index");
  for (let save = 0; save < 5; save++) await storage.save(file, Buffer.from("the same"), signal);
  assert.deepEqual(openFiles(`${file.name}-tmp-`), []);
});

/** The ciphers that `ssh` was told by argument, which was told this file to be its configuration. */
function ciphersTold(config: string): string | undefined {
  const [argv = []] = globSync("/proc/[0-9]*/cmdline").flatMap((path) => {
    try {
      const words = readFileSync(path, "utf8").split("\0");
      return words.includes(config) && !words.includes("-G") ? [words] : [];
    } catch {
      return [];
    }
  });
  return argv.find((word) => word.startsWith("Ciphers="))?.slice("Ciphers=".length);
}

test("of the ciphers that may be used those come first that are quick here, and no other is added", async () => {
  using folder = temporaryFolder();
  const isQuick = /^(?:flags|Features).* aes(?: |$)/m.test(readFileSync("/proc/cpuinfo", "utf8"));
  const chacha = "chacha20-poly1305@openssh.com";
  for (const [allowed, told] of [
    [`${chacha},aes256-ctr,aes256-gcm@openssh.com`, `aes256-gcm@openssh.com,${chacha},aes256-ctr`],
    [chacha, undefined],
    [`aes128-gcm@openssh.com,${chacha}`, undefined],
  ] as const) {
    const config = join(folder.path, allowed);
    writeFileSync(config, `Ciphers ${allowed}\n`);
    await using storage = storageAt(freshPlace(), { SFTP_SSH_CONFIG: config });
    await storage.create(signal);
    assert.equal(ciphersTold(config), isQuick ? told : undefined);
  }
});

/** Files that any process has open and whose path holds this. */
function openFiles(part: string): readonly string[] {
  const links = globSync("/proc/[0-9]*/fd/*").map((path) => {
    try {
      return readlinkSync(path);
    } catch {
      return "";
    }
  });
  return links.filter((link) => link.includes(part));
}

test("what was cut off leaves no file that is listed, and is removed as a leftover", async () => {
  const place = randomUUID();
  await using storage = storageAt(sshd.location(place));
  await storage.create(signal);
  const file = fileOf("index");
  const saving = fails(storage.save(file, randomBytes(60_000_000), signal), "storage-unreachable");
  const kept = join(sshd.folder, place, "index");
  while (readdirSync(kept).length === 0) await new Promise((done) => setImmediate(done));
  sshd.cut();
  await saving;
  const [left = ""] = readdirSync(kept);
  assert.match(left, new RegExp(`^${file.name}-tmp-`));
  assert.deepEqual(await listed(storage, "index"), []);
  const hour = 3_600_000;
  assert.equal(await storage.traits.removeLeftovers?.(new Date(Date.now() - hour), signal), 0);
  utimesSync(join(kept, left), new Date(0), new Date(0));
  await storage.traits.removeLeftovers?.(new Date(Date.now() - hour), signal);
  assert.deepEqual(readdirSync(kept), []);
});

testFlow(sshd, storageAt);
