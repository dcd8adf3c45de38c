import { Socket } from "node:net";

/** The most that is read at once. */
export const readBytes = 128 << 10;

/** Sockets whose listeners give the memory back before they return. */
const lent = new WeakSet<Socket>();

/**
 * A socket that reads into one piece of memory, again and again. Node otherwise makes 64 KiB for each read: of a table of a
 * gigabyte that is garbage which is collected sixty times, and 100 MB that wait for it.
 *
 * Listeners for `data` get a copy, which they may keep; see `lendReads`.
 */
export function lendingSocket(): Socket {
  const socket: Socket = new Socket({
    onread: {
      buffer: Buffer.allocUnsafeSlow(readBytes),
      callback(length, bytes) {
        const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, length);
        socket.emit("data", lent.has(socket) ? chunk : Buffer.from(chunk));
        return true;
      },
    },
  });
  return socket;
}

/** Whether the next chunks are lent: what is wanted of them later must be copied before the listener returns. */
export function lendReads(socket: Socket, how: "lent" | "copied"): void {
  if (how === "lent") lent.add(socket);
  else lent.delete(socket);
}
