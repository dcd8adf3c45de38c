import { Readable } from "node:stream";
import type { HttpReader } from "./http-reader.ts";
import type { S3Library } from "./s3-requests.ts";
import type { ByteRange } from "./storage.ts";

/** Has the answer to a signed request read by the reader, where it can. The library finds all of it there. */
export function readAtOnce(
  { middlewareStack }: InstanceType<S3Library["GetObjectCommand"]>,
  reader: HttpReader | undefined,
  { length: mostBytes }: ByteRange,
  signal: AbortSignal,
): void {
  middlewareStack.add(
    (next) => async (args) => {
      const { protocol, hostname, port, path, query, headers } = args.request as SignedRequest;
      const request = { path: `${path}?${queryString(query)}`, headers, mostBytes };
      const got = await reader?.get({ protocol, hostname, port }, request, signal);
      if (got === undefined) return next(args);
      const body = Readable.from(got.body, { objectMode: false });
      return { response: { statusCode: got.status, headers: got.headers, body } };
    },
    { step: "deserialize", priority: "low", name: "readAtOnce" },
  );
}

/** What the library is about to send. */
interface SignedRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** As it was signed. */
function queryString(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map((pair) => pair.map(encoded).join("="))
    .join("&");
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}
