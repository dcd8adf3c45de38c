import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { statSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { isHoldfastError, type ErrorCode } from "../../src/lib/errors.ts";
import { storageContract } from "../../src/storage/contract.ts";
import { restStorage } from "../../src/storage/rest.ts";
import { withRetry } from "../../src/storage/retry.ts";
import type { FileKind, Storage, StoredFile } from "../../src/storage/storage.ts";
import { freePort } from "../support/free-port.ts";
import { startRclone } from "../support/rclone-server.ts";
import { type Tampering, tamperingProxy } from "../support/tampering-proxy.ts";
import { testFlow } from "./flow.ts";

/** REST storage on rclone, and on what others answer, by a proxy that changes rclone's answers. */
const rclone = await startRclone();
after(() => rclone[Symbol.asyncDispose]());

const { signal } = new AbortController();
const fileOf = (kind: FileKind = "data"): StoredFile => ({ kind, name: randomBytes(32).toString("hex") });
const storageAt = (location: string, more: NodeJS.ProcessEnv = {}, silentMs = 5000): Storage =>
  restStorage(location, { ...rclone.environment, ...more }, silentMs);

storageContract("REST, on rclone", async () => storageAt(rclone.location(`${randomUUID()}/a path`)));

async function fails(promise: Promise<unknown>, code: ErrorCode, reason?: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isHoldfastError(error, code), String(error));
    if (reason !== undefined) assert.equal(error.facts["reason"], reason);
    assert.ok(!JSON.stringify(error.facts).includes(rclone.environment["RESTIC_REST_PASSWORD"] ?? "?"));
    return true;
  });
}

async function listed(storage: Storage, kind: FileKind): Promise<readonly { name: string; size: number }[]> {
  const found: { name: string; size: number }[] = [];
  for await (const one of storage.list(kind, signal)) found.push(one);
  return found;
}

/** A storage whose server answers as `tamper` says. */
async function tampered(tamper: Tampering) {
  const proxy = await tamperingProxy(rclone.port);
  const storage = storageAt(`rest:http://127.0.0.1:${proxy.port}/${randomUUID()}/`, {}, 400);
  await storage.create(signal);
  proxy.tamper = tamper;
  return { proxy, storage, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}

const say =
  (status: number, headers: Record<string, string> = {}, body = ""): Tampering =>
  (_incoming, answer) => {
    answer.writeHead(status, { connection: "close", ...headers });
    answer.end(body);
    return "answered";
  };

test("a login that is wrong or missing, and nobody there", async () => {
  const location = rclone.location(`${randomUUID()}/`);
  await fails(storageAt(location, { RESTIC_REST_PASSWORD: "wrong" }).create(signal), "storage-login", "HTTP 401");
  await fails(restStorage(location, {}).save(fileOf(), randomBytes(9), signal), "storage-login", "HTTP 401");
  const nobody = storageAt(`rest:http://127.0.0.1:${await freePort()}/`);
  await fails(nobody.stat(fileOf(), signal), "storage-unreachable", "ECONNREFUSED");
  await fails(storageAt("rest:http://host.invalid/").stat(fileOf(), signal), "storage-address", "ENOTFOUND");
});

test("a server that lets nothing be deleted says so; locks go all the same", async () => {
  const storage = storageAt(rclone.location(`${randomUUID()}/`));
  await storage.create(signal);
  const [pack, lock] = [fileOf(), fileOf("lock")];
  await storage.save(pack, Buffer.from("pack"), signal);
  try {
    await rclone.restart("--append-only");
    const patient = withRetry(storage, { firstPauseMs: 10 });
    await patient.save(pack, Buffer.from("pack"), signal);
    await patient.save(lock, Buffer.from("lock"), signal);
    await patient.remove(lock, signal);
    await fails(storage.remove(pack, signal), "storage-append-only", "HTTP 403");
    assert.equal(String(await storage.load(pack, undefined, signal)), "pack");
  } finally {
    await rclone.restart();
  }
});

test("an answer that was lost: what is there already is success, by rest-server's rules too", async () => {
  let lost = 1;
  await using server = await tampered(({ method }) =>
    method === "POST" && lost-- > 0 ? { cutAfterBytes: 0 } : undefined,
  );
  const { proxy, storage } = server;
  const patient = withRetry(storage, { firstPauseMs: 10 });
  const file = fileOf();
  await patient.save(file, Buffer.alloc(300_000, 7), signal);
  assert.deepEqual(await patient.load(file, undefined, signal), Buffer.alloc(300_000, 7));
  // Taken between our question and our upload: 403, and the size tells.
  let asked = 0;
  proxy.tamper = (incoming, answer) => {
    if (incoming.method === "HEAD" && asked++ === 0) return say(404)(incoming, answer);
    return incoming.method === "POST" ? say(403)(incoming, answer) : undefined;
  };
  await storage.save(file, Buffer.alloc(300_000, 7), signal);
  asked = 0;
  await fails(storage.save(file, Buffer.alloc(9), signal), "storage-exists");
  asked = 0;
  await fails(storage.save(fileOf(), Buffer.alloc(9), signal), "storage-denied", "HTTP 403");
});

test("what is left of an upload, when the server dies in the middle, is not taken for the file", async () => {
  const storage = storageAt(rclone.location("broken/"));
  await storage.create(signal);
  const file = fileOf();
  const bytes = randomBytes(200_000_000);
  const kept = join(rclone.folder, "broken/data", file.name.slice(0, 2), file.name);
  const sizeThere = () => statSync(kept, { throwIfNoEntry: false })?.size ?? 0;
  const saving = fails(storage.save(file, bytes, signal), "storage-unreachable");
  while (sizeThere() === 0) await nextTurn();
  await rclone.kill();
  await saving;
  const left = sizeThere();
  assert.ok(left > 0 && left < bytes.length, `${left} bytes were left`);
  await rclone.restart();
  // A connection to the server that died may be used once more before its end is noticed.
  const again = (one: Storage) => withRetry(one, { firstPauseMs: 10 });
  // Another process cannot know whose it is, and says so.
  await fails(again(storageAt(rclone.location("broken/"))).save(file, bytes, signal), "storage-exists");
  await again(storage).save(file, bytes, signal);
  assert.ok(bytes.equals(await storage.load(file, undefined, signal)));
});

test("a file that somebody else is sending is waited for, and taken for stored once it is whole", async () => {
  const place = randomUUID();
  await using storage = storageAt(rclone.location(place));
  await storage.create(signal);
  const bytes = randomBytes(1_000_000);
  const file = fileOf("index");
  const { RESTIC_REST_USERNAME: user, RESTIC_REST_PASSWORD: password } = rclone.environment;
  const url = `http://127.0.0.1:${rclone.port}/${place}/index/${file.name}`;
  const headers = { "content-length": bytes.length };
  const other = request(url, { method: "POST", headers, auth: `${user}:${password}` });
  const answered = once(other, "response");
  other.write(bytes.subarray(0, 400_000));
  while ((await storage.stat(file, signal)) === undefined) await delay(10);
  const saving = storage.save(file, bytes, signal);
  await delay(200);
  other.end(bytes.subarray(400_000));
  await saving;
  await answered;
  assert.deepEqual(await storage.load(file, undefined, signal), bytes);
});

test("what somebody else is sending is not removed as what was left of an upload that failed here", async () => {
  let isRefused = true;
  const removed: string[] = [];
  await using server = await tampered((incoming, answer) => {
    if (incoming.method === "DELETE") removed.push(incoming.url ?? "");
    return isRefused && incoming.method === "POST" ? say(500)(incoming, answer) : undefined;
  });
  const { storage } = server;
  const bytes = randomBytes(1_000_000);
  const file = fileOf("index");
  await fails(storage.save(file, bytes, signal), "storage-unreachable");
  isRefused = false;
  const place = new URL(storage.location.slice("rest:".length)).pathname;
  const { RESTIC_REST_USERNAME: user, RESTIC_REST_PASSWORD: password } = rclone.environment;
  const url = `http://127.0.0.1:${rclone.port}${place}index/${file.name}`;
  const headers = { "content-length": bytes.length };
  const other = request(url, { method: "POST", headers, auth: `${user}:${password}` });
  const answered = once(other, "response");
  other.write(bytes.subarray(0, 300_000));
  while ((await storage.stat(file, signal)) === undefined) await delay(10);
  const saving = storage.save(file, bytes, signal);
  await delay(300);
  other.write(bytes.subarray(300_000, 700_000));
  await delay(300);
  other.end(bytes.subarray(700_000));
  await saving;
  await answered;
  assert.deepEqual(removed, []);
  assert.deepEqual(await storage.load(file, undefined, signal), bytes);
});

test("a server that falls silent, breaks off, or is too busy is tried again", async () => {
  await using server = await tampered(() => undefined);
  const { proxy, storage } = server;
  const reasons: string[] = [];
  const patient = withRetry(storage, {
    firstPauseMs: 10,
    onRetry: (error) => reasons.push(String(error.facts["reason"])),
  });
  const file = fileOf();
  await patient.save(file, Buffer.alloc(3_000_000, 7), signal);
  let faults = 1;
  for (const fault of [() => "answered", () => ({ cutAfterBytes: 0 }), () => ({ cutAfterBytes: 99_999 }), say(503)]) {
    faults = 1;
    proxy.tamper = (incoming, answer) => (faults-- > 0 ? (fault as Tampering)(incoming, answer) : undefined);
    assert.deepEqual(await patient.load(file, undefined, signal), Buffer.alloc(3_000_000, 7));
  }
  assert.deepEqual(reasons, ["TimeoutError", "UND_ERR_SOCKET", "UND_ERR_SOCKET", "HTTP 503"]);
});

test("statuses that waiting does not mend", async () => {
  await using server = await tampered(() => undefined);
  for (const [status, headers, code] of [
    [507, {}, "storage-full"],
    [403, {}, "storage-denied"],
    [302, { location: "http://127.0.0.1:1/elsewhere" }, "storage-address"],
    [418, {}, "storage-failed"],
  ] as const) {
    server.proxy.tamper = (incoming, answer) =>
      incoming.method === "HEAD" ? say(404)(incoming, answer) : say(status, headers)(incoming, answer);
    await fails(server.storage.save(fileOf(), Buffer.from("x"), signal), code, `HTTP ${status}`);
  }
});

test("a server of the protocol's first version lists names, and is asked for sizes", async () => {
  await using server = await tampered(() => undefined);
  const { proxy, storage } = server;
  const files = [fileOf("index"), fileOf("index")];
  for (const [size, file] of files.entries()) await storage.save(file, Buffer.alloc(size + 1), signal);
  const names = [...files.map(({ name }) => name), fileOf().name, "README"];
  const list = say(200, { "content-type": "application/vnd.x.restic.rest.v1" }, JSON.stringify([...names, ...names]));
  proxy.tamper = (incoming, answer) => (incoming.method === "GET" ? list(incoming, answer) : undefined);
  assert.deepEqual(
    await listed(storage, "index"),
    files.map(({ name }, size) => ({ name, size: size + 1 })),
  );
});

test("a page that something in between answers an upload with is no stored file", async () => {
  await using server = await tampered(() => undefined);
  const { proxy, storage } = server;
  const file = fileOf();
  const page: Tampering = (incoming, answer) => {
    if (incoming.method !== "POST") return undefined;
    const headers = { connection: "close", "content-type": "text/html" };
    incoming.resume().once("end", () => answer.writeHead(200, headers).end("<html>Blocked</html>"));
    return "answered";
  };
  proxy.tamper = page;
  await fails(storage.save(file, randomBytes(1000), signal), "storage-failed", "an answer to something else");
  proxy.tamper = () => undefined;
  assert.equal(await storage.stat(file, signal), undefined);
  await storage.save(file, randomBytes(1000), signal);
});

test("lists and sizes from a server that lies are refused", async () => {
  await using server = await tampered(() => undefined);
  const { proxy, storage } = server;
  const { name } = fileOf();
  const type = { "content-type": "application/vnd.x.restic.rest.v2" };
  const list = (body: unknown) =>
    (proxy.tamper = say(200, type, typeof body === "string" ? body : JSON.stringify(body)));
  list([
    { name, size: 5 },
    { name, size: 5 },
    { name: "../../etc/passwd", size: 1 },
  ]);
  assert.deepEqual(await listed(storage, "key"), [{ name, size: 5 }]);
  list(null);
  assert.deepEqual(await listed(storage, "key"), []);
  for (const lie of [
    [{ name, size: -1 }],
    [{ name, size: 1e300 }],
    [{ name }],
    [{ size: 1 }],
    [null],
    {},
    "<html>",
    "",
  ]) {
    list(lie);
    await fails(listed(storage, "key"), "storage-failed");
  }
  proxy.tamper = say(404);
  assert.deepEqual(await listed(storage, "key"), []);
  proxy.tamper = say(404, { server: "rclone/v1.60.1" });
  await fails(listed(storage, "key"), "storage-failed", "HTTP 404");

  const file = fileOf();
  for (const length of ["-1", "1e3", String(2 ** 52), "99999999999999999999"]) {
    proxy.tamper = (incoming, answer) => {
      incoming.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\nabc`);
      incoming.socket.end();
      void answer;
      return "answered";
    };
    await assert.rejects(storage.load(file, undefined, signal), (error) => isHoldfastError(error));
  }
  proxy.tamper = say(200, { "content-encoding": "gzip", "content-length": "3" }, "abc");
  await fails(storage.load(file, undefined, signal), "storage-failed", "a size that is none");
  proxy.tamper = say(200, { "content-length": "100" }, "x".repeat(100));
  await fails(storage.load(file, { offset: 10, length: 20 }, signal), "storage-failed", "shorter than asked for");
  proxy.tamper = say(206, { "content-length": "20", "content-range": "bytes 0-19/100" }, "x".repeat(20));
  await fails(storage.load(file, { offset: 10, length: 20 }, signal), "storage-failed", "shorter than asked for");
});

testFlow(rclone, storageAt);
