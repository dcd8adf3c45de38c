import type { Socket } from "node:net";
import { lendReads } from "../lent-socket.ts";

/** A packet as the driver shows it, in memory that is only valid meanwhile. */
export interface DriverPacket {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly end: number;
  isEOF(): boolean;
}

/** What the driver does with each packet of rows; gives what is to be done with the next. */
interface DriverQuery {
  row: (packet: DriverPacket, through: object) => unknown;
}

/** Where the driver keeps the beginning of a packet whose end is not there yet. */
interface DriverReading {
  readonly stream: Socket;
  readonly packetParser: { readonly buffer: Buffer[] };
}

/**
 * Takes rows as they come: the driver would make a field, a buffer and an event of what is copied right away. While rows come, the socket
 * reads them into the same memory again and again, if it is one that lends.
 */
export function eachRow(connection: object, query: object, take: (packet: DriverPacket) => void): Disposable {
  const driver = query as DriverQuery;
  const { stream, packetParser } = connection as DriverReading;
  const { row } = driver;
  const keepBeginning = (): void => {
    const last = packetParser.buffer.length - 1;
    const beginning = packetParser.buffer[last];
    if (beginning) packetParser.buffer[last] = Buffer.from(beginning);
  };
  const end = (): void => {
    lendReads(stream, "copied");
    stream.off("data", keepBeginning);
  };
  let state: "before" | "rows" = "before";
  driver.row = (packet, through) => {
    if (packet.isEOF()) {
      end();
      return row.call(driver, packet, through);
    }
    if (state === "before") {
      // Not sooner: what the driver keeps of the columns lies in what was read.
      state = "rows";
      lendReads(stream, "lent");
      stream.on("data", keepBeginning);
    }
    take(packet);
    return driver.row;
  };
  return { [Symbol.dispose]: end };
}
