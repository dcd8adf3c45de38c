import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

/**
 * Google Cloud Storage in memory, as its reference describes it: the JSON API with uploads in one piece, in two parts and
 * resumable, downloads with ranges, generations and their conditions, listings in pages, errors; and downloads by the XML
 * API, which Google's library for Go uses. No real server of it runs elsewhere: restic's client, which is built on that
 * library, is the judge of what is here.
 */
export interface GcsEmulator extends AsyncDisposable {
  readonly port: number;
  /** The one that is let in. */
  readonly token: string;
  /** Buckets that take no more. */
  readonly full: Set<string>;
  /** Uploads that came, by how. */
  readonly uploads: Record<"media" | "multipart" | "resumable", number>;
  /** What is stored, and what it was checked to be. */
  readonly objects: (bucket: string) => ReadonlyMap<string, { readonly bytes: Buffer }>;
}

interface StoredObject {
  readonly bytes: Buffer;
  readonly generation: number;
}

interface Session {
  readonly bucket: string;
  readonly name: string;
  readonly md5: string | undefined;
  readonly query: URLSearchParams;
  parts: Buffer[];
}

class Refusal extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

export async function startGcs(pageSize = 100): Promise<GcsEmulator> {
  const buckets = new Map<string, Map<string, StoredObject>>();
  const sessions = new Map<string, Session>();
  const uploads = { media: 0, multipart: 0, resumable: 0 };
  const full = new Set<string>();
  const token = "token-of-the-tests";
  let generations = 1_700_000_000_000_000;

  const bucketNamed = (name: string): Map<string, StoredObject> => {
    const found = buckets.get(name);
    if (found === undefined) throw new Refusal(404, "notFound", "The specified bucket does not exist.");
    return found;
  };
  const objectNamed = (bucket: string, name: string): StoredObject => {
    const found = bucketNamed(bucket).get(name);
    if (found === undefined) throw new Refusal(404, "notFound", `No such object: ${bucket}/${name}`);
    return found;
  };
  const describe = (bucket: string, name: string, { bytes, generation }: StoredObject) => ({
    kind: "storage#object",
    id: `${bucket}/${name}/${generation}`,
    name,
    bucket,
    generation: String(generation),
    metageneration: "1",
    contentType: "application/octet-stream",
    storageClass: "STANDARD",
    size: String(bytes.length),
    md5Hash: createHash("md5").update(bytes).digest("base64"),
    crc32c: "AAAAAA==",
    timeCreated: new Date(generation / 1000).toISOString(),
    updated: new Date(generation / 1000).toISOString(),
  });
  const check = (found: StoredObject | undefined, query: URLSearchParams): void => {
    const generation = found?.generation ?? 0;
    const [match, other] = [query.get("ifGenerationMatch"), query.get("ifGenerationNotMatch")];
    if ((match !== null && Number(match) !== generation) || (other !== null && Number(other) === generation)) {
      throw new Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
    }
  };
  const insert = (bucket: string, name: string, bytes: Buffer, md5: string | undefined, query: URLSearchParams) => {
    const objects = bucketNamed(bucket);
    if (name === "") throw new Refusal(400, "required", "Required");
    check(objects.get(name), query);
    if (full.has(bucket)) throw new Refusal(403, "quotaExceeded", "The bucket's quota is exceeded.");
    if (md5 !== undefined && md5 !== createHash("md5").update(bytes).digest("base64")) {
      throw new Refusal(400, "invalid", "Provided MD5 hash doesn't match calculated MD5 hash.");
    }
    const stored = { bytes, generation: ++generations };
    objects.set(name, stored);
    return describe(bucket, name, stored);
  };

  async function upload(incoming: IncomingMessage, answer: ServerResponse, bucket: string, query: URLSearchParams) {
    const body = await buffer(incoming);
    const kind = query.get("uploadType");
    const session = sessions.get(query.get("upload_id") ?? "");
    if (kind === "resumable" && session !== undefined) return continueUpload(incoming, answer, session, body);
    if (kind === "media") {
      uploads.media++;
      return say(answer, 200, insert(bucket, query.get("name") ?? "", body, undefined, query));
    }
    if (kind === "multipart") {
      const { about, bytes } = twoParts(incoming.headers["content-type"] ?? "", body);
      uploads.multipart++;
      return say(answer, 200, insert(bucket, about.name ?? query.get("name") ?? "", bytes, about.md5Hash, query));
    }
    if (kind !== "resumable") throw new Refusal(400, "invalid", "Upload type is not known.");
    const about = (body.length === 0 ? {} : JSON.parse(body.toString("utf8"))) as About;
    const name = about.name ?? query.get("name") ?? "";
    check(bucketNamed(bucket).get(name), query);
    const id = createHash("sha256").update(`${++generations}`).digest("hex");
    sessions.set(id, { bucket, name, md5: about.md5Hash, query, parts: [] });
    const place = `http://${incoming.headers.host}/upload/storage/v1/b/${bucket}/o?uploadType=resumable&upload_id=${id}`;
    answer.writeHead(200, { location: place }).end();
  }

  function continueUpload(incoming: IncomingMessage, answer: ServerResponse, session: Session, body: Buffer): void {
    const have = session.parts.reduce((sum, part) => sum + part.length, 0);
    const [, from = "0", total = String(body.length)] =
      /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(incoming.headers["content-range"] ?? "") ?? [];
    if (body.length > 0) {
      if (Number(from) !== have) throw new Refusal(503, "backendError", "Not where it was left.");
      session.parts.push(body);
    }
    const length = have + body.length;
    if (total === "*" || length < Number(total)) {
      return void answer.writeHead(308, length === 0 ? {} : { range: `bytes=0-${length - 1}` }).end();
    }
    uploads.resumable++;
    const { bucket, name, md5, query } = session;
    say(answer, 200, insert(bucket, name, Buffer.concat(session.parts), md5, query));
  }

  function list(answer: ServerResponse, bucket: string, query: URLSearchParams): void {
    const objects = bucketNamed(bucket);
    const [prefix, delimiter] = [query.get("prefix") ?? "", query.get("delimiter") ?? ""];
    const after = Buffer.from(query.get("pageToken") ?? "", "base64url").toString("utf8");
    const most = Math.min(Number(query.get("maxResults") ?? 1000), pageSize);
    const [items, prefixes] = [[] as unknown[], new Set<string>()];
    let last = "";
    for (const name of [...objects.keys()].toSorted()) {
      if (!name.startsWith(prefix) || (after !== "" && name <= after)) continue;
      if (items.length + prefixes.size === most) {
        return say(answer, 200, {
          items,
          prefixes: [...prefixes],
          nextPageToken: Buffer.from(last).toString("base64url"),
        });
      }
      const end = delimiter === "" ? -1 : name.indexOf(delimiter, prefix.length);
      if (end >= 0) prefixes.add(name.slice(0, end + 1));
      else items.push(describe(bucket, name, objectNamed(bucket, name)));
      last = name;
    }
    // Google leaves out what is empty.
    say(answer, 200, { ...(items.length > 0 && { items }), ...(prefixes.size > 0 && { prefixes: [...prefixes] }) });
  }

  function download(incoming: IncomingMessage, answer: ServerResponse, bucket: string, name: string): void {
    const { bytes, generation } = objectNamed(bucket, name);
    const headers = {
      "content-type": "application/octet-stream",
      "x-goog-generation": String(generation),
      "x-goog-hash": `md5=${createHash("md5").update(bytes).digest("base64")}`,
      "accept-ranges": "bytes",
    };
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(incoming.headers.range ?? "") ?? [];
    if (first === undefined) {
      answer.writeHead(200, { ...headers, "content-length": bytes.length });
      return void answer.end(incoming.method === "HEAD" ? undefined : bytes);
    }
    const [from, to] = [Number(first), Math.min(bytes.length - 1, last === "" ? Infinity : Number(last))];
    if (from >= bytes.length) throw new Refusal(416, "requestedRangeNotSatisfiable", "Request range not satisfiable");
    const range = { "content-range": `bytes ${from}-${to}/${bytes.length}`, "content-length": to - from + 1 };
    answer.writeHead(206, { ...headers, ...range }).end(bytes.subarray(from, to + 1));
  }

  async function handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = new URL(incoming.url ?? "/", "http://host");
    if (incoming.headers.authorization !== `Bearer ${token}`) {
      throw new Refusal(401, "authError", "Invalid Credentials");
    }
    const method = incoming.method ?? "GET";
    const json = /^\/(?:storage\/v1\/)?b(?:\/([^/]+)(?:\/o(?:\/([^/]+))?)?)?$/.exec(pathname);
    const uploading = /^\/upload\/storage\/v1\/b\/([^/]+)\/o$/.exec(pathname);
    const [, bucket = "", encoded] = uploading ?? json ?? [];
    if (uploading !== null) return await upload(incoming, answer, bucket, query);
    if (json === null) {
      const [, xmlBucket = "", name = ""] = /^\/([^/]+)\/(.+)$/s.exec(decodeURIComponent(pathname)) ?? [];
      return download(incoming, answer, xmlBucket, name);
    }
    if (bucket === "") {
      const { name } = JSON.parse((await buffer(incoming)).toString("utf8")) as About;
      if (!query.get("project")) throw new Refusal(400, "required", "Required parameter: project");
      if (buckets.has(name ?? "")) throw new Refusal(409, "conflict", "You already own this bucket.");
      buckets.set(name ?? "", new Map());
      return say(answer, 200, { kind: "storage#bucket", name });
    }
    if (encoded === undefined) {
      if (pathname.endsWith("/o")) return list(answer, bucket, query);
      bucketNamed(bucket);
      return say(answer, 200, { kind: "storage#bucket", name: bucket, id: bucket });
    }
    const name = decodeURIComponent(encoded);
    const found = objectNamed(bucket, name);
    check(found, query);
    if (method === "DELETE") {
      bucketNamed(bucket).delete(name);
      return void answer.writeHead(204).end();
    }
    if (query.get("alt") === "media") return download(incoming, answer, bucket, name);
    say(answer, 200, describe(bucket, name, found));
  }

  const server = createServer((incoming, answer) => {
    handle(incoming, answer).catch((error: unknown) => {
      if (answer.headersSent) return void answer.destroy();
      const { status, reason, message } =
        error instanceof Refusal ? error : { status: 500, reason: "backendError", message: String(error) };
      say(answer, status, { error: { code: status, message, errors: [{ domain: "global", reason, message }] } });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    token,
    full,
    uploads,
    objects: (bucket) => buckets.get(bucket) ?? new Map(),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

interface About {
  readonly name?: string;
  readonly md5Hash?: string;
}

/** The JSON and the bytes of a `multipart/related` body. */
function twoParts(type: string, body: Buffer): { readonly about: About; readonly bytes: Buffer } {
  const boundary = /boundary="?([^";]+)"?/.exec(type)?.[1];
  if (boundary === undefined) throw new Refusal(400, "parseError", "No boundary.");
  const line = Buffer.from(`--${boundary}`);
  const [first, second] = [body.indexOf(line), body.indexOf(line, line.length)];
  const last = body.lastIndexOf(line);
  if (first !== 0 || second <= 0 || last <= second) throw new Refusal(400, "parseError", "Not two parts.");
  const contents = (from: number, to: number): Buffer =>
    body.subarray(body.indexOf("\r\n\r\n", from) + 4, to - "\r\n".length);
  return {
    about: JSON.parse(contents(line.length, second).toString("utf8")) as About,
    bytes: Buffer.from(contents(second, last)),
  };
}

function say(answer: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value);
  answer.writeHead(status, {
    "content-type": "application/json; charset=UTF-8",
    "content-length": Buffer.byteLength(text),
  });
  answer.end(text);
}
