import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { withRetry } from "../../src/storage/retry.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { fileOf, listed } from "./storage-probes.ts";
import { tamperingProxy } from "./tampering-proxy.ts";

export interface CloudUnderTest {
  /** Of the server itself. */
  readonly port: number;
  /** A storage of its own whose requests go to this port. */
  at(port: number, silentMs: number): Storage;
  isUpload(incoming: IncomingMessage): boolean;
}

/** What holds for every cloud that is spoken to by HTTP, before a server that behaves badly. */
export function testClouds(cloud: CloudUnderTest): void {
  const { signal } = new AbortController();

  test("a server that falls silent, breaks off or is too busy is tried again, each as often as needed", async () => {
    await using proxy = await tamperingProxy(cloud.port);
    await using storage = cloud.at(proxy.port, 2000);
    await storage.create(signal);
    const waits: string[] = [];
    const patient = withRetry(storage, {
      firstPauseMs: 10,
      onRetry: (error) => waits.push(error.code),
    });
    const [file, bytes] = [fileOf(), randomBytes(3_000_000)];
    for (const fault of ["silent", "busy", "slow down"] as const) {
      let left = 1;
      proxy.tamper = (_incoming, answer) => {
        if (left-- <= 0) return undefined;
        if (fault !== "silent") answer.writeHead(fault === "busy" ? 503 : 429, { connection: "close" }).end();
        return "answered";
      };
      await patient.stat(file, signal);
      assert.equal(waits.splice(0).join(), "storage-unreachable", fault);
    }
    await patient.save(file, bytes, signal);
    for (const cutAfterBytes of [0, 1_000_000]) {
      let cuts = 1;
      proxy.tamper = ({ method }) => (method === "GET" && cuts-- > 0 ? { cutAfterBytes } : undefined);
      assert.ok(bytes.equals(await patient.load(file, undefined, signal)));
      assert.ok(cuts < 0, "asked again");
    }
  });

  test("an answer that was lost: what is there is success, and is not sent again", async () => {
    await using proxy = await tamperingProxy(cloud.port);
    await using storage = cloud.at(proxy.port, 5000);
    await storage.create(signal);
    const patient = withRetry(storage, { firstPauseMs: 10 });
    let uploads = 0;
    proxy.tamper = (incoming) => (cloud.isUpload(incoming) && uploads++ === 0 ? "lost" : undefined);
    const [file, bytes] = [fileOf(), randomBytes(300_000)];
    await patient.save(file, bytes, signal);
    assert.equal(uploads, 1);
    assert.ok(bytes.equals(await patient.load(file, undefined, signal)));
    const config = { kind: "config", name: "" } as const;
    uploads = 0;
    await patient.save(config, bytes, signal);
    assert.ok(bytes.equals(await patient.load(config, undefined, signal)));
    await assert.rejects(patient.save(config, bytes.subarray(1), signal), (error) =>
      isHoldfastError(error, "storage-exists"),
    );
  });

  test("answers that are not what was asked for are refused", async () => {
    await using proxy = await tamperingProxy(cloud.port);
    await using storage = cloud.at(proxy.port, 5000);
    await storage.create(signal);
    const file = fileOf();
    await storage.save(file, randomBytes(1000), signal);
    const say = (status: number, headers: Readonly<Record<string, string>>, body: string) => {
      proxy.tamper = (_incoming, answer) => {
        answer.writeHead(status, { connection: "close", ...headers }).end(body);
        return "answered";
      };
    };
    // All of it, or another part of that length.
    for (const [status, headers, length] of [
      [200, {}, 1000],
      [206, { "content-range": "bytes 0-19/1000" }, 20],
    ] as const) {
      say(status, { ...headers, "content-length": String(length) }, "x".repeat(length));
      await assert.rejects(storage.load(file, { offset: 10, length: 20 }, signal), (error) =>
        isHoldfastError(error, "storage-failed"),
      );
    }
    // A page of a portal.
    say(200, { "content-type": "text/html" }, "<html><body>Sign in<br></body></html>");
    await assert.rejects(listed(storage, "key"), (error) => isHoldfastError(error));
  });

  test("a listing in many pages gives each name once", async () => {
    await using proxy = await tamperingProxy(cloud.port);
    await using storage = cloud.at(proxy.port, 5000);
    await storage.create(signal);
    const files = Array.from({ length: 230 }, () => fileOf());
    for (let at = 0; at < files.length; at += 10) {
      await Promise.all(files.slice(at, at + 10).map((file) => storage.save(file, Buffer.from(file.name), signal)));
    }
    assert.deepEqual(
      (await listed(storage, "data")).map(({ name }) => name).toSorted(),
      files.map(({ name }) => name).toSorted(),
    );
    // One that breaks off in the middle goes on where it was.
    let cuts = 1;
    proxy.tamper = ({ method }) => (method === "GET" && cuts-- > 0 ? { cutAfterBytes: 2000 } : undefined);
    const patient = withRetry(storage, { firstPauseMs: 10 });
    assert.equal((await listed(patient, "data")).length, files.length);
    assert.ok(cuts < 0, "asked again");
  });
}
