import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, createServer, request, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type * as Koffi from "koffi";
import { quickAgents } from "./quick-ack.ts";

const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
const getsockopt = koffi.load("libc.so.6").func("int getsockopt(int, int, int, void *, void *)");

/** What the system says of a connection of ours: whether it acknowledges at once. */
function acknowledgesAtOnce(fd: number): boolean {
  const value = new Int32Array(1);
  const length = new Uint32Array([4]);
  assert.equal(getsockopt(fd, 6, 12, value, length), 0);
  return value[0] !== 0;
}

/** Asks three times on one connection; how it acknowledges while the last answer is waited for. */
async function whileWaiting(agent: Agent, port: number, held: { answer?: () => void }): Promise<boolean> {
  for (let asked = 1; ; asked++) {
    const asking = request({ port, agent, path: asked < 3 ? "/" : "/held" }).end();
    const answered = once(asking, "response");
    const [socket] = (await once(asking, "socket")) as [Socket & { readonly _handle: { readonly fd: number } }];
    let isQuick = false;
    if (asked === 3) {
      while (held.answer === undefined) await delay(1);
      for (let look = 0; look < 50 && !(isQuick = acknowledgesAtOnce(socket._handle.fd)); look++) await delay(1);
      held.answer();
    }
    const [answer] = (await answered) as [NodeJS.ReadableStream];
    await once(answer.resume(), "end");
    if (asked === 3) return isQuick;
  }
}

test("after a request on a connection that was used before, its answer is acknowledged at once", async () => {
  const held: { answer?: () => void } = {};
  const server: Server = createServer((asked, answer) => {
    if (asked.url === "/held") held.answer = () => answer.end("late");
    else answer.end("now");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  for (const [agent, isQuick] of [
    [quickAgents({ keepAlive: true }).httpAgent, true],
    [new Agent({ keepAlive: true }), false],
  ] as const) {
    delete held.answer;
    assert.equal(await whileWaiting(agent, port, held), isQuick);
    agent.destroy();
  }
  server.close();
});
