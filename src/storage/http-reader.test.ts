import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from "node:tls";
import { makeAuthority } from "../../test/support/authority.ts";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { until } from "../../test/support/until.ts";
import { parseHttpHead } from "./http-head.ts";
import { HttpReader } from "./http-reader.ts";
import { networkErrorCode } from "./network-error.ts";

type Answer = (request: string, socket: Socket, count: number) => unknown;

/** A server that is told each request and writes what it likes, byte by byte. */
async function serving(answer: Answer, server: Server = createServer()) {
  const sockets: Socket[] = [];
  const requests: string[] = [];
  server.on("setSecureContext" in server ? "secureConnection" : "connection", (socket: Socket) => {
    sockets.push(socket);
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        const request = text.slice(0, end);
        text = text.slice(end + 4);
        requests.push(request);
        void answer(request, socket, requests.length);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const reader = new HttpReader(2, { connectMs: 1000, idleMs: 400 });
  const { signal } = new AbortController();
  return {
    sockets,
    requests,
    port,
    reader,
    get: (mostBytes = 1 << 24, stopping = signal) =>
      reader.get(
        { protocol: "http:", hostname: "127.0.0.1", port },
        { path: "/a%20b?x=1", headers: { host: "here", range: "bytes=0-9" }, mostBytes },
        stopping,
      ),
    [Symbol.asyncDispose]: async () => {
      reader.close();
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const headOf = (body: Uint8Array, more = "") => `HTTP/1.1 206 Partial\r\nContent-Length: ${body.length}\r\n${more}\r\n`;

test("bodies come whole, however they are cut, over a connection that is used again", async () => {
  const bodies = [randomBytes(3_000_000), Buffer.alloc(0), randomBytes(1), randomBytes(400_000)];
  await using server = await serving(async (_request, socket, count) => {
    const body = bodies[count - 1] ?? Buffer.alloc(0);
    const all = Buffer.concat([Buffer.from(headOf(body, "X-A: 1\r\nx-a: 2\r\n"), "latin1"), body]);
    const cut = [30, 57, 58, 100_000, all.length];
    for (const [at, end] of cut.entries()) {
      socket.write(all.subarray(cut[at - 1] ?? 0, end));
      await wait(5);
    }
  });
  for (const body of bodies) {
    const got = await server.get();
    assert.equal(got?.status, 206);
    assert.equal(got.headers["x-a"], "1, 2");
    assert.ok(got.body.equals(body));
  }
  assert.equal(server.sockets.length, 1);
  assert.equal(server.requests[0], "GET /a%20b?x=1 HTTP/1.1\r\nhost: here\r\nrange: bytes=0-9");
});

test("several at once, and no more than were allowed", async () => {
  const body = randomBytes(2_000_000);
  let running = 0;
  let most = 0;
  await using server = await serving(async (_request, socket) => {
    most = Math.max(most, ++running);
    await wait(20);
    running--;
    socket.write(headOf(body));
    socket.write(body);
  });
  for (const got of await Promise.all(Array.from({ length: 7 }, () => server.get()))) assert.ok(got?.body.equals(body));
  assert.equal(most, 2);
  assert.equal(server.sockets.length, 2);
});

test("what a server says in another way is left to others", async () => {
  const ways = [
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nab",
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nno header\r\ncontent-length: 2\r\n\r\nab",
    "SSH-2.0-OpenSSH\r\n\r\n",
    `HTTP/1.1 200 OK\r\nx: ${"y".repeat(40_000)}\r\n\r\n`,
  ];
  for (const way of ways) {
    await using server = await serving((_request, socket) => socket.write(way));
    for (const _ of [1, 2]) assert.equal(await server.get(100), undefined, way.slice(0, 60));
    assert.equal(server.requests.length, 1, "not asked in vain again");
  }
});

test("one odd answer is not held against a server for ever", async () => {
  const page = "<h1>Busy</h1>";
  await using server = await serving((_request, socket, count) =>
    socket.write(
      count === 1
        ? `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nd\r\n${page}\r\n0\r\n\r\n`
        : headOf(Buffer.alloc(0)),
    ),
  );
  const reader = new HttpReader(1, { connectMs: 1000, idleMs: 400 }, 200);
  const get = () =>
    reader.get(
      { protocol: "http:", hostname: "127.0.0.1", port: server.port },
      { path: "/", headers: { host: "here" }, mostBytes: 10 },
      new AbortController().signal,
    );
  assert.deepEqual([await get(), await get()], [undefined, undefined]);
  assert.equal(server.requests.length, 1);
  await wait(250);
  assert.equal((await get())?.status, 206);
  reader.close();
});

test("a server ends connections that nobody uses, and says when this was the last request", async () => {
  await using server = await serving((_request, socket, count) => {
    if (count === 2) socket.destroy();
    else socket.write(`${headOf(Buffer.from("ab"), count === 4 ? "Connection: close\r\n" : "")}ab`);
  });
  assert.equal(String((await server.get())?.body), "ab");
  // The second request finds its connection ended, and goes out once more over another one.
  assert.equal(String((await server.get())?.body), "ab");
  assert.equal(server.requests.length, 3);
  // This one was ended while nobody used it.
  server.sockets[1]?.end();
  await wait(50);
  for (const _ of [1, 2]) assert.equal(String((await server.get())?.body), "ab");
  assert.equal(server.sockets.length, 4);
});

test("a body that breaks off, silence, an end that is asked for, nobody there", async () => {
  let how: "cut" | "silent" = "cut";
  await using server = await serving((_request, socket) => {
    socket.write(headOf(Buffer.alloc(500_000)));
    socket.write(Buffer.alloc(100_000), () => how === "cut" && socket.end());
  });
  const reasonOf = (error: unknown) => networkErrorCode(error)?.reason;
  await assert.rejects(server.get(), (error) => reasonOf(error) === "ECONNRESET");
  assert.equal(server.requests.length, 1, "what was heard of is not asked for again here");
  how = "silent";
  await assert.rejects(server.get(), (error) => reasonOf(error) === "TimeoutError");
  const stopping = new AbortController();
  setTimeout(() => stopping.abort(new Error("enough")), 50);
  await assert.rejects(server.get(undefined, stopping.signal), /enough/);
  await server[Symbol.asyncDispose]();
  await assert.rejects(server.get(), (error) => reasonOf(error) === "ECONNREFUSED");
});

test("TLS, whose certificate is looked at", async () => {
  using folder = temporaryFolder();
  const authority = await makeAuthority(folder.path, "reader");
  const body = randomBytes(2_000_000);
  const keys = { key: readFileSync(authority.key), cert: readFileSync(authority.certificate) };
  const answer: Answer = (_request, socket) => void socket.write(Buffer.concat([Buffer.from(headOf(body)), body]));
  await using server = await serving(answer, createTlsServer(keys));
  const get = () =>
    server.reader.get(
      { protocol: "https:", hostname: "localhost", port: server.port },
      { path: "/", headers: {}, mostBytes: body.length },
      AbortSignal.timeout(5000),
    );
  await assert.rejects(get(), (error) => networkErrorCode(error)?.code === "storage-certificate");
  const known = getCACertificates("default");
  setDefaultCACertificates([...known, readFileSync(authority.root, "utf8")]);
  try {
    for (const _ of [1, 2]) assert.ok((await get())?.body.equals(body));
  } finally {
    setDefaultCACertificates(known);
  }
  assert.equal(server.requests.length, 2);
});

test("nothing that is sent begins another line", async () => {
  await using server = await serving(() => undefined);
  const get = (path: string, headers: Record<string, string>) =>
    server.reader.get(
      { protocol: "http:", hostname: "127.0.0.1", port: server.port },
      { path, headers, mostBytes: 1 },
      AbortSignal.timeout(5000),
    );
  await assert.rejects(get("/ HTTP/1.1\r\nx: y", {}), TypeError);
  await assert.rejects(get("/", { a: "b\nc: d" }), TypeError);
  assert.equal(server.requests.length, 0);
});

test("heads", () => {
  assert.deepEqual(parseHttpHead("HTTP/1.1 404\r\nContent-Length:  12 \r\nConnection: keep-alive, Close"), {
    status: 404,
    headers: { "content-length": "12", connection: "keep-alive, Close" },
    length: 12,
    connection: "ends",
  });
  assert.equal(parseHttpHead("HTTP/1.1 204 None")?.length, 0);
  assert.equal(parseHttpHead("HTTP/1.1 200 OK\r\nContent-Length: -1"), undefined);
  assert.equal(parseHttpHead("HTTP/1.1 200 OK\r\n__proto__: 1\r\nContent-Length: 1")?.length, 1);
});

test("connections that servers end, hour after hour, leave nothing behind", async () => {
  await using server = await serving((_request, socket) => {
    // As a server does with a connection that nobody uses; nothing says so beforehand.
    socket.end(Buffer.concat([Buffer.from(headOf(Buffer.alloc(10)), "latin1"), Buffer.alloc(10)]));
  });
  const ask = async (): Promise<void> => {
    for (let at = 0; at < 150; at++) {
      assert.equal((await server.get())?.status, 206);
      await until(() => server.sockets.at(-1)?.readableEnded !== false);
    }
  };
  await ask();
  const then = await heldBytes();
  await ask();
  const more = (await heldBytes()) - then;
  assert.ok(more < 1_500_000, `${more} bytes more`);
});

/** Bytes that are still needed. What was freed is only swept a moment later, and what freed it may hold something else. */
async function heldBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  let least = Infinity;
  for (let looks = 0; looks < 5; looks++) {
    collect();
    await wait(50);
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    least = Math.min(least, heapUsed + arrayBuffers);
  }
  return least;
}
