import assert from "node:assert/strict";
import { hash, randomBytes, randomUUID } from "node:crypto";
import { after, afterEach, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { isHoldfastError, type ErrorCode } from "../../src/lib/errors.ts";
import type { RetentionLock } from "../../src/lib/keeping.ts";
import { storageContract } from "../../src/storage/contract.ts";
import { withRetry } from "../../src/storage/retry.ts";
import { s3Storage } from "../../src/storage/s3.ts";
import type { StoredFile } from "../../src/storage/storage.ts";
import { startCeph } from "../support/ceph-server.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/until.ts";
import { tamperingProxy } from "../support/tampering-proxy.ts";
import { testFlow } from "./flow.ts";

/** S3 storage on Ceph's gateway: one server for all, since it takes ten seconds to start. */
const ceph = await startCeph();
after(() => ceph[Symbol.asyncDispose]());
const settings = { ...ceph.environment, AWS_REGION: "us-east-1", AWS_EC2_METADATA_DISABLED: "true" };
Object.assign(process.env, settings);
afterEach(() => Object.assign(process.env, settings));

const { signal } = new AbortController();
const freshPlace = () => `bucket-${randomUUID()}/a prefix`;
const fileOf = (kind: StoredFile["kind"] = "data"): StoredFile => ({ kind, name: randomBytes(32).toString("hex") });

storageContract("S3, on Ceph", async () => s3Storage(`s3:${ceph.endpoint}/${freshPlace()}`, process.env));

async function fails(promise: Promise<unknown>, code: ErrorCode, reason: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isHoldfastError(error, code), String(error));
    assert.equal(error.facts["reason"], reason);
    assert.ok(!String(error).includes(ceph.environment["AWS_SECRET_ACCESS_KEY"] ?? "?"));
    return true;
  });
}

/** All that a listing gives. */
async function listed(
  storage: ReturnType<typeof s3Storage>,
  kind: "data" | "key" | "lock",
): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list(kind, signal)) names.push(name);
  return names;
}

test("a key that is wrong, another's, or missing", async () => {
  const location = `s3:${ceph.endpoint}/${freshPlace()}`;
  await s3Storage(location, process.env).create(signal);
  const tryIt = async () => {
    await using storage = s3Storage(location, process.env);
    await listed(storage, "key");
  };
  process.env["AWS_ACCESS_KEY_ID"] = "NOBODY";
  await fails(tryIt(), "storage-login", "InvalidAccessKeyId");
  Object.assign(process.env, settings, { AWS_SECRET_ACCESS_KEY: "wrong" });
  await fails(tryIt(), "storage-login", "SignatureDoesNotMatch");
  await ceph.admin("user", "create", "--uid=other", "--display-name=o", "--access-key=OTHER", "--secret-key=other");
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: "OTHER", AWS_SECRET_ACCESS_KEY: "other" });
  await fails(tryIt(), "storage-denied", "AccessDenied");
  await using others = s3Storage(location, process.env);
  await others.create(signal);
  await fails(others.save(fileOf(), randomBytes(9), signal), "storage-denied", "AccessDenied");
  delete process.env["AWS_ACCESS_KEY_ID"];
  await fails(tryIt(), "storage-login", "CredentialsProviderError");
});

test("no such bucket, and a clock that is an hour off", async (context) => {
  await using storage = s3Storage(`s3:${ceph.endpoint}/${freshPlace()}`, process.env);
  await fails(listed(storage, "key"), "storage-missing", "NoSuchBucket");
  assert.equal(await storage.stat({ kind: "config", name: "" }, signal), undefined);
  context.mock.timers.enable({ apis: ["Date"], now: Date.now() + 3_600_000 });
  await fails(listed(storage, "key"), "storage-clock", "RequestTimeTooSkewed");
});

test("a region that the server does not know, where a bucket is to be made", async () => {
  const elsewhere = { ...process.env, AWS_REGION: "eu-nowhere-9" };
  await using storage = s3Storage(`s3:${ceph.endpoint}/${freshPlace()}`, elsewhere);
  await fails(storage.create(signal), "storage-region", "InvalidLocationConstraint");
});

test("a bucket that is full keeps what it has", async () => {
  const place = freshPlace();
  await using storage = s3Storage(`s3:${ceph.endpoint}/${place}`, process.env);
  await storage.create(signal);
  const kept = fileOf();
  await storage.save(kept, randomBytes(100), signal);
  const bucket = place.split("/")[0] ?? "";
  await ceph.admin("quota", "set", "--quota-scope=bucket", `--bucket=${bucket}`, "--max-objects=1");
  await ceph.admin("quota", "enable", "--quota-scope=bucket", `--bucket=${bucket}`);
  const other = fileOf();
  await fails(storage.save(other, randomBytes(100), signal), "storage-full", "QuotaExceeded");
  assert.equal(await storage.stat(other, signal), undefined);
  assert.equal((await storage.load(kept, undefined, signal)).length, 100);
});

test("nobody there; a server that stops answering and comes back; one that is too busy", async () => {
  await using nobody = s3Storage(`s3:http://127.0.0.1:${await freePort()}/bucket`, process.env);
  await fails(nobody.stat(fileOf(), signal), "storage-unreachable", "ECONNREFUSED");

  await using proxy = await tamperingProxy(ceph.port);
  await using storage = s3Storage(`s3:http://127.0.0.1:${proxy.port}/${freshPlace()}`, process.env, {
    connectMs: 1000,
    idleMs: 400,
  });
  await storage.create(signal);
  const file = fileOf();
  proxy.tamper = () => "answered"; // never
  await fails(storage.stat(file, signal), "storage-unreachable", "TimeoutError");
  const waits: string[] = [];
  const patient = withRetry(storage, {
    firstPauseMs: 50,
    onRetry: (error) => waits.push(String(error.facts["reason"])),
  });
  const saving = patient.save(file, Buffer.alloc(3_000_000, 7), signal);
  await wait(500);
  let busy = 2;
  proxy.tamper = ({ method }, answer) => {
    // Between two attempts it is looked whether the first one came through all the same.
    if (method !== "PUT" || busy-- <= 0) return undefined;
    answer.writeHead(503, { "content-type": "application/xml", connection: "close" });
    answer.end("<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>");
    return "answered";
  };
  await saving;
  assert.equal(waits[0], "TimeoutError");
  assert.equal(waits.filter((reason) => reason === "SlowDown").length, 2);
  // An answer that breaks off, before its end and right after its head.
  for (const cutAfterBytes of [0, 1_000_000]) {
    let cuts = 1;
    proxy.tamper = ({ method }) => (method === "GET" && cuts-- > 0 ? { cutAfterBytes } : undefined);
    assert.deepEqual(await patient.load(file, undefined, signal), Buffer.alloc(3_000_000, 7));
    assert.ok(cuts < 0, "asked again");
  }
});

test("a pack is signed by its name, so a server refuses other bytes than it was made of", async () => {
  await using storage = s3Storage(`s3:${ceph.endpoint}/${freshPlace()}`, process.env);
  await storage.create(signal);
  const bytes = Buffer.from(new SharedArrayBuffer(300_000)).fill(7);
  const file = { kind: "data", name: hash("sha256", bytes), named: "by-contents" } as const;
  bytes[5] = 8;
  await fails(storage.save(file, bytes, signal), "storage-unreachable", "XAmzContentSHA256Mismatch");
  assert.equal(await storage.stat(file, signal), undefined);
  bytes[5] = 7;
  await storage.save(file, bytes, signal);
  assert.deepEqual(await storage.load(file, undefined, signal), Buffer.from(bytes));
});

test("packs go without an MD5 where the server has shown that it compares their SHA-256, and nowhere else", async () => {
  await using proxy = await tamperingProxy(ceph.port);
  const seen: { path: string; method: string | undefined; md5: boolean; sha256: boolean }[] = [];
  let takesAll = false;
  proxy.tamper = (incoming, answer) => {
    const { method, headers } = incoming;
    const path = (incoming.url ?? "").replace(/.*(?=holdfast-probe)|.*prefix\/|\?.*/g, "");
    seen.push({ path, method, md5: "content-md5" in headers, sha256: "x-amz-checksum-sha256" in headers });
    if (!takesAll || method !== "PUT" || !path.startsWith("holdfast-probe")) return undefined;
    incoming.resume().once("end", () => answer.writeHead(200, { "content-length": 0 }).end());
    return "answered";
  };
  const packOf = (fill: number) => {
    const bytes = Buffer.from(new SharedArrayBuffer(1_100_000)).fill(fill);
    return { bytes, file: { kind: "data", name: hash("sha256", bytes), named: "by-contents" } as const };
  };
  const open = (lock?: RetentionLock) =>
    s3Storage(`s3:http://127.0.0.1:${proxy.port}/${freshPlace()}`, process.env, { ...(lock && { lock }) });
  const sumsOf = ({ file }: ReturnType<typeof packOf>) =>
    seen.flatMap(({ path, method, md5, sha256 }) =>
      method === "PUT" && path.endsWith(file.name) ? [{ md5, sha256 }] : [],
    );
  const probes = () => seen.flatMap(({ path, method }) => (path.startsWith("holdfast-probe") ? [method] : []));

  await using storage = open();
  await storage.create(signal);
  const [first, second, third] = [packOf(1), packOf(2), packOf(3)];
  await storage.save({ kind: "data", name: first.file.name }, first.bytes, signal);
  assert.deepEqual(probes(), [], "whose name is not known to be a sum says nothing of it");
  const [small, one] = [randomBytes(100), packOf(4)];
  await storage.save({ kind: "data", name: hash("sha256", small), named: "by-contents" }, small, signal);
  assert.deepEqual(probes(), [], "what is small is not worth it");
  await storage.save(one.file, one.bytes, signal);
  await until(async () => probes().length === 1);
  await wait(200);
  await storage.save(second.file, second.bytes, signal);
  const byMd5 = { md5: true, sha256: false };
  assert.deepEqual(sumsOf(one), [byMd5]);
  assert.deepEqual(sumsOf(second), [{ md5: false, sha256: true }]);
  assert.deepEqual(await storage.load(second.file, undefined, signal), Buffer.from(second.bytes));
  third.bytes[7] = 0;
  await assert.rejects(storage.save(third.file, third.bytes, signal), (error) =>
    isHoldfastError(error, "storage-unreachable"),
  );
  assert.equal(await storage.stat(third.file, signal), undefined);
  assert.deepEqual(probes(), ["PUT"]);

  seen.length = 0;
  takesAll = true;
  await using careless = open();
  await careless.create(signal);
  await careless.save(one.file, one.bytes, signal);
  await until(async () => probes().length === 2);
  await wait(100);
  await careless.save(second.file, second.bytes, signal);
  assert.deepEqual(probes(), ["PUT", "DELETE"], "it leaves nothing there");
  assert.deepEqual([...sumsOf(one), ...sumsOf(second)], [byMd5, byMd5]);

  seen.length = 0;
  await using locked = open({ mode: "governance", days: 1 });
  await locked.create(signal);
  for (const { file, bytes } of [one, second]) await locked.save(file, bytes, signal);
  assert.deepEqual(probes(), []);
  assert.deepEqual([...sumsOf(one), ...sumsOf(second)], [byMd5, byMd5]);
});

test("servers that do not know a condition never lose a config", async () => {
  await using proxy = await tamperingProxy(ceph.port);
  let conditions = 0;
  let written = 0;
  proxy.tamper = ({ headers, method }, answer) => {
    if (headers["if-none-match"] === undefined) {
      if (method === "PUT") written++;
      return undefined;
    }
    conditions++;
    answer.writeHead(501, { "content-type": "application/xml", connection: "close" });
    answer.end("<Error><Code>NotImplemented</Code></Error>");
    return "answered";
  };
  await using storage = s3Storage(`s3:http://127.0.0.1:${proxy.port}/${freshPlace()}`, process.env);
  await storage.create(signal);
  written = 0;
  const config = { kind: "config", name: "" } as const;
  const file = fileOf();
  for (const [name, bytes] of [
    [config, "ours"],
    [file, "pack"],
    [file, "pack"],
  ] as const) {
    await storage.save(name, Buffer.from(bytes), signal);
    assert.equal(String(await storage.load(name, undefined, signal)), bytes);
  }
  for (const name of [config, file]) {
    const another = s3Storage(
      `s3:http://127.0.0.1:${proxy.port}/${storage.location.split("/").slice(3).join("/")}`,
      process.env,
    );
    for (const one of [storage, another]) {
      await assert.rejects(one.save(name, Buffer.from("others"), signal), (error) =>
        isHoldfastError(error, "storage-exists"),
      );
    }
    await another[Symbol.asyncDispose]();
  }
  assert.equal(written, 2, "what is there is not sent again");
  assert.equal(conditions, 2, "asked once of each storage, not for each file");
});

test("answers that are not what was asked for are refused", async () => {
  await using proxy = await tamperingProxy(ceph.port);
  await using storage = s3Storage(`s3:http://127.0.0.1:${proxy.port}/${freshPlace()}`, process.env);
  await storage.create(signal);
  const file = fileOf();
  await storage.save(file, randomBytes(1000), signal);
  const say = (status: number, headers: Record<string, string>, body: string) => {
    proxy.tamper = (_incoming, answer) => {
      answer.writeHead(status, { connection: "close", "content-type": "application/xml", ...headers });
      answer.end(body);
      return "answered";
    };
  };
  // All of it, or another part of that length.
  for (const [status, headers, length] of [
    [200, {}, 1000],
    [206, { "content-range": "bytes 0-19/1000" }, 20],
  ] as const) {
    say(status, { ...headers, "content-length": String(length) }, "x".repeat(length));
    await fails(storage.load(file, { offset: 10, length: 20 }, signal), "storage-failed", "shorter than asked for");
  }
  // As AWS documents them.
  say(301, { "x-amz-bucket-region": "eu-west-1" }, "");
  await assert.rejects(storage.stat(file, signal), (error) => {
    assert.ok(isHoldfastError(error, "storage-region"), String(error));
    return error.facts["region"] === "eu-west-1";
  });
  say(400, {}, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>");
  await assert.rejects(storage.load(file, undefined, signal), (error) => {
    assert.ok(isHoldfastError(error, "storage-region"), String(error));
    return error.facts["region"] === "eu-west-1";
  });
  // A page of a portal, and a listing that never ends.
  say(200, { "content-type": "text/html" }, "<html><body>Sign in<br></body></html>");
  await assert.rejects(listed(storage, "key"), (error) => isHoldfastError(error, "storage-failed"));
  say(
    200,
    {},
    `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>`,
  );
  await fails(listed(storage, "key"), "storage-failed", "ListObjectsV2");
});

test("what something in between answers with success is neither an empty list nor a stored file", async () => {
  await using proxy = await tamperingProxy(ceph.port);
  await using storage = s3Storage(`s3:http://127.0.0.1:${proxy.port}/${freshPlace()}`, process.env);
  await storage.create(signal);
  await storage.save({ kind: "lock", name: fileOf().name }, Buffer.from("another machine's"), signal);
  const file = fileOf();
  for (const [type, body] of [
    ["text/html", "<html><body><p>Sign in</p></body></html>"],
    ["application/xml", "<Answer><State>ok</State></Answer>"],
    ["text/plain", ""],
  ] as const) {
    for (const asked of ["GET", "PUT"]) {
      proxy.tamper = (incoming, answer) => {
        if (incoming.method !== asked) return undefined;
        const headers = { connection: "close", "content-type": type };
        incoming.resume().once("end", () => answer.writeHead(200, headers).end(body));
        return "answered";
      };
      if (asked === "GET") {
        await assert.rejects(listed(storage, "lock"), (error) => isHoldfastError(error, "storage-failed"), type);
      } else {
        await fails(storage.save(file, randomBytes(1000), signal), "storage-failed", "an answer to something else");
      }
    }
  }
  proxy.tamper = () => undefined;
  assert.equal(await storage.stat(file, signal), undefined);
  assert.equal((await listed(storage, "lock")).length, 1);
});

test("long parts of packs, which are read by other means than the library's", async () => {
  await using proxy = await tamperingProxy(ceph.port);
  const location = `s3:http://127.0.0.1:${proxy.port}/${freshPlace()}/a+b (c)`;
  await using storage = s3Storage(location, process.env);
  await using impatient = s3Storage(location, process.env, { idleMs: 400 });
  await storage.create(signal);
  const file = fileOf();
  const bytes = randomBytes(3_000_000);
  await storage.save(file, bytes, signal);
  const range = { offset: 1000, length: 2_000_000 };
  const wanted = bytes.subarray(1000, 2_001_000);
  const chunked: string[] = [];
  const clients = new Set<unknown>();
  proxy.tamper = ({ socket }) => void clients.add(socket);
  for (const _ of [1, 2, 3]) assert.deepEqual(await storage.load(file, range, signal), wanted);
  assert.equal(clients.size, 1, "over one connection");

  await fails(storage.load(fileOf(), range, signal), "storage-not-found", "NoSuchKey");
  await fails(storage.load(file, { ...range, offset: 2_900_000 }, signal), "storage-failed", "shorter than asked for");
  await fails(storage.load(file, { ...range, offset: 4_000_000 }, signal), "storage-failed", "shorter than asked for");

  const patient = withRetry(storage, { firstPauseMs: 50 });
  for (const cutAfterBytes of [0, 1_000_000]) {
    let cuts = 1;
    proxy.tamper = () => (cuts-- > 0 ? { cutAfterBytes } : undefined);
    assert.deepEqual(await patient.load(file, range, signal), wanted);
    assert.ok(cuts < 0, "asked again");
  }
  proxy.tamper = () => "answered"; // never
  await fails(impatient.load(file, range, signal), "storage-unreachable", "TimeoutError");
  const stopping = new AbortController();
  setTimeout(() => stopping.abort(new Error("enough")), 50);
  await assert.rejects(storage.load(file, range, stopping.signal), /enough/);

  // A server that does not say how long its answers are is asked by the library.
  proxy.tamper = ({ headers }, answer) => {
    chunked.push(headers.range ?? "");
    answer.writeHead(206, { "content-range": "bytes 1000-2000999/3000000", "transfer-encoding": "chunked" });
    answer.end(wanted);
    return "answered";
  };
  await assert.rejects(storage.load(file, range, signal), (error) => isHoldfastError(error, "storage-failed"));
  await assert.rejects(storage.load(file, range, signal), (error) => isHoldfastError(error, "storage-failed"));
  assert.deepEqual(chunked, Array(3).fill("bytes=1000-2000999"), "once in vain");
});

test("more than a page of names, with no more requests at once than the storage says", async () => {
  await using proxy = await tamperingProxy(ceph.port);
  await using storage = s3Storage(`s3:http://127.0.0.1:${proxy.port}/${freshPlace()}`, process.env);
  await storage.create(signal);
  const files = Array.from({ length: 205 }, () => fileOf());
  await Promise.all(files.map((file) => storage.save(file, randomBytes(1), signal)));
  let pages = 0;
  proxy.tamper = () => void pages++;
  assert.deepEqual((await listed(storage, "data")).toSorted(), files.map(({ name }) => name).toSorted());
  assert.ok(pages >= 3, `${pages} pages`);
  assert.equal(proxy.mostAtOnce(), storage.traits.connections);
});

testFlow(ceph, (location) => s3Storage(location, process.env));
