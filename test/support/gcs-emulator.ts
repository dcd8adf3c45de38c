import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

/**
 * Google Cloud Storage in memory, as its reference describes it: the JSON API with uploads in one piece, in two parts and
 * resumable, downloads with ranges, generations and their conditions, listings in pages, errors; buckets that keep what is
 * deleted or replaced as versions that are not current, and retention of single objects, which nobody shortens where it is
 * `Locked` and nobody without `overrideUnlockedRetention` elsewhere; and downloads by the XML API, which Google's library for Go uses. No real server of it runs elsewhere: restic's client, which is built on that
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
  readonly objects: (bucket: string) => ReadonlyMap<string, { readonly bytes: Buffer; readonly storageClass: string }>;
  /** Of buckets that forget every lock as soon as it is set, as a storage would that only claims to have them. */
  readonly careless: Set<string>;
  /** Buckets of which the login may delete nothing but locks. */
  readonly keeping: Set<string>;
  /** Buckets that take no more once a version in them that is no lock is gone for good. */
  readonly fullOnceDestroyed: Set<string>;
}

interface StoredObject {
  readonly name: string;
  readonly bytes: Buffer;
  readonly generation: number;
  readonly storageClass: string;
  readonly madeMs: number;
  retention?: Retention | undefined;
  /** Absent: it is the current one. */
  goneMs?: number;
}

interface Retention {
  readonly mode: "Locked" | "Unlocked";
  readonly retainUntilTime: string;
}

interface Bucket {
  readonly current: Map<string, StoredObject>;
  /** What was deleted or replaced, where versions are kept. */
  readonly old: StoredObject[];
  readonly versions: "kept" | "dropped";
  readonly retention: "possible" | "impossible";
}

interface Session {
  readonly bucket: string;
  readonly name: string;
  readonly about: About;
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
  const buckets = new Map<string, Bucket>();
  const sessions = new Map<string, Session>();
  const uploads = { media: 0, multipart: 0, resumable: 0 };
  const full = new Set<string>();
  const careless = new Set<string>();
  const keeping = new Set<string>();
  const fullOnceDestroyed = new Set<string>();
  const token = "token-of-the-tests";
  let generations = 1_700_000_000_000_000;

  const bucketNamed = (name: string): Bucket => {
    const found = buckets.get(name);
    if (found === undefined) throw new Refusal(404, "notFound", "The specified bucket does not exist.");
    return found;
  };
  const objectNamed = (bucket: string, name: string, generation: string | null = null): StoredObject => {
    const { current, old } = bucketNamed(bucket);
    const all = [current.get(name), ...old.filter((one) => one.name === name)];
    const found = generation === null ? all[0] : all.find((one) => String(one?.generation) === generation);
    if (found === undefined) throw new Refusal(404, "notFound", `No such object: ${bucket}/${name}`);
    return found;
  };
  const describe = (bucket: string, found: StoredObject) => ({
    kind: "storage#object",
    id: `${bucket}/${found.name}/${found.generation}`,
    name: found.name,
    bucket,
    generation: String(found.generation),
    metageneration: "1",
    contentType: "application/octet-stream",
    storageClass: found.storageClass,
    size: String(found.bytes.length),
    md5Hash: createHash("md5").update(found.bytes).digest("base64"),
    crc32c: "AAAAAA==",
    timeCreated: new Date(found.madeMs).toISOString(),
    updated: new Date(found.madeMs).toISOString(),
    ...(found.retention && { retention: found.retention }),
    ...(found.goneMs !== undefined && { timeDeleted: new Date(found.goneMs).toISOString() }),
  });
  const isKept = ({ retention }: StoredObject): boolean =>
    retention !== undefined && Date.parse(retention.retainUntilTime) > Date.now();
  /** The current version is not any more: kept as an old one, or gone where none are kept. */
  const supersede = (bucket: string, found: StoredObject): void => {
    const { current, old, versions } = bucketNamed(bucket);
    if (versions === "dropped" && isKept(found)) throw retained();
    current.delete(found.name);
    if (versions === "kept") old.push(Object.assign(found, { goneMs: Date.now() }));
  };
  const remove = (bucket: string, found: StoredObject): void => {
    if (isKept(found)) throw retained();
    const { current, old } = bucketNamed(bucket);
    if (found.goneMs === undefined) current.delete(found.name);
    else old.splice(old.indexOf(found), 1);
  };
  const checkedRetention = (bucket: string, retention: Retention | undefined): Retention | undefined => {
    if (retention === undefined) return undefined;
    if (bucketNamed(bucket).retention === "impossible") {
      throw new Refusal(400, "invalid", "Object retention is not enabled for this bucket.");
    }
    if (!/^(?:Locked|Unlocked)$/.test(retention.mode) || !(Date.parse(retention.retainUntilTime) > Date.now())) {
      throw new Refusal(400, "invalid", "Invalid retention.");
    }
    return careless.has(bucket) ? undefined : retention;
  };
  const retain = (bucket: string, found: StoredObject, retention: Retention | undefined, query: URLSearchParams) => {
    const next = checkedRetention(bucket, retention);
    const before = found.retention;
    const isWeaker =
      before !== undefined &&
      (next === undefined ||
        next.mode !== before.mode ||
        Date.parse(next.retainUntilTime) < Date.parse(before.retainUntilTime));
    if (isWeaker && isKept(found)) {
      const mayOverride = before.mode === "Unlocked" && query.get("overrideUnlockedRetention") === "true";
      if (!mayOverride) throw new Refusal(403, "forbidden", "The retention cannot be made weaker.");
    }
    found.retention = next;
  };
  const check = (found: StoredObject | undefined, query: URLSearchParams): void => {
    const generation = found?.generation ?? 0;
    const [match, other] = [query.get("ifGenerationMatch"), query.get("ifGenerationNotMatch")];
    if ((match !== null && Number(match) !== generation) || (other !== null && Number(other) === generation)) {
      throw new Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
    }
  };
  const insert = (bucket: string, name: string, bytes: Buffer, about: About, query: URLSearchParams) => {
    const { current } = bucketNamed(bucket);
    if (name === "") throw new Refusal(400, "required", "Required");
    const before = current.get(name);
    check(before, query);
    if (full.has(bucket)) throw new Refusal(403, "quotaExceeded", "The bucket's quota is exceeded.");
    if (about.md5Hash !== undefined && about.md5Hash !== createHash("md5").update(bytes).digest("base64")) {
      throw new Refusal(400, "invalid", "Provided MD5 hash doesn't match calculated MD5 hash.");
    }
    const retention = checkedRetention(bucket, about.retention);
    if (before !== undefined) supersede(bucket, before);
    const { storageClass = "STANDARD" } = about;
    const stored = { name, bytes, generation: ++generations, storageClass, madeMs: Date.now(), retention };
    current.set(name, stored);
    return describe(bucket, stored);
  };

  async function upload(incoming: IncomingMessage, answer: ServerResponse, bucket: string, query: URLSearchParams) {
    const body = await buffer(incoming);
    const kind = query.get("uploadType");
    const session = sessions.get(query.get("upload_id") ?? "");
    if (kind === "resumable" && session !== undefined) return continueUpload(incoming, answer, session, body);
    if (kind === "media") {
      uploads.media++;
      return say(answer, 200, insert(bucket, query.get("name") ?? "", body, {}, query));
    }
    if (kind === "multipart") {
      const { about, bytes } = twoParts(incoming.headers["content-type"] ?? "", body);
      uploads.multipart++;
      return say(answer, 200, insert(bucket, about.name ?? query.get("name") ?? "", bytes, about, query));
    }
    if (kind !== "resumable") throw new Refusal(400, "invalid", "Upload type is not known.");
    const about = (body.length === 0 ? {} : JSON.parse(body.toString("utf8"))) as About;
    const name = about.name ?? query.get("name") ?? "";
    check(bucketNamed(bucket).current.get(name), query);
    const id = createHash("sha256").update(`${++generations}`).digest("hex");
    sessions.set(id, { bucket, name, about, query, parts: [] });
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
    const { bucket, name, about, query } = session;
    say(answer, 200, insert(bucket, name, Buffer.concat(session.parts), about, query));
  }

  function list(answer: ServerResponse, bucket: string, query: URLSearchParams): void {
    const { current, old } = bucketNamed(bucket);
    const [prefix, delimiter] = [query.get("prefix") ?? "", query.get("delimiter") ?? ""];
    const after = Buffer.from(query.get("pageToken") ?? "", "base64url").toString("utf8");
    const most = Math.min(Number(query.get("maxResults") ?? 1000), pageSize);
    const [items, prefixes] = [[] as unknown[], new Set<string>()];
    let last = "";
    // Whoever names fields gets no others.
    const isAsked = (query.get("fields") ?? "kind").split(",").includes("kind");
    const kind = isAsked ? { kind: "storage#objects" } : {};
    const all = [...current.values(), ...(query.get("versions") === "true" ? old : [])];
    const named = all.map((one) => ({ one, key: `${one.name}\0${one.generation}` }));
    for (const { one, key } of named.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
      if (!key.startsWith(prefix) || (after !== "" && key <= after)) continue;
      if (items.length + prefixes.size === most) {
        return say(answer, 200, {
          ...kind,
          items,
          prefixes: [...prefixes],
          nextPageToken: Buffer.from(last).toString("base64url"),
        });
      }
      const end = delimiter === "" ? -1 : one.name.indexOf(delimiter, prefix.length);
      if (end >= 0) prefixes.add(one.name.slice(0, end + 1));
      else items.push(describe(bucket, one));
      last = key;
    }
    // Google leaves out what is empty.
    say(answer, 200, {
      ...kind,
      ...(items.length > 0 && { items }),
      ...(prefixes.size > 0 && { prefixes: [...prefixes] }),
    });
  }

  function download(incoming: IncomingMessage, answer: ServerResponse, { bytes, generation }: StoredObject): void {
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
      return download(incoming, answer, objectNamed(xmlBucket, name, query.get("generation")));
    }
    if (bucket === "") {
      const { name, versioning } = JSON.parse((await buffer(incoming)).toString("utf8")) as About;
      if (!query.get("project")) throw new Refusal(400, "required", "Required parameter: project");
      if (buckets.has(name ?? "")) throw new Refusal(409, "conflict", "You already own this bucket.");
      buckets.set(name ?? "", {
        current: new Map(),
        old: [],
        versions: versioning?.enabled === true ? "kept" : "dropped",
        retention: query.get("enableObjectRetention") === "true" ? "possible" : "impossible",
      });
      return say(answer, 200, { kind: "storage#bucket", name });
    }
    if (encoded === undefined) {
      if (pathname.endsWith("/o")) return list(answer, bucket, query);
      const { versions, retention } = bucketNamed(bucket);
      return say(answer, 200, {
        kind: "storage#bucket",
        name: bucket,
        id: bucket,
        ...(versions === "kept" && { versioning: { enabled: true } }),
        ...(retention === "possible" && { objectRetention: { mode: "Enabled" } }),
      });
    }
    const name = decodeURIComponent(encoded);
    const generation = query.get("generation");
    // Who may not is told so before anybody looks.
    if (method === "DELETE" && keeping.has(bucket) && !name.includes("/locks/")) {
      throw new Refusal(403, "forbidden", "No permission to delete.");
    }
    const found = objectNamed(bucket, name, generation);
    check(found, query);
    if (method === "DELETE") {
      if (generation === null) supersede(bucket, found);
      else {
        remove(bucket, found);
        if (fullOnceDestroyed.has(bucket) && !name.includes("/locks/")) full.add(bucket);
      }
      return void answer.writeHead(204).end();
    }
    if (method === "PATCH") {
      const { retention } = JSON.parse((await buffer(incoming)).toString("utf8")) as About;
      retain(bucket, found, retention, query);
    }
    if (query.get("alt") === "media") return download(incoming, answer, found);
    say(answer, 200, describe(bucket, found));
  }

  const server = createServer((incoming, answer) => {
    handle(incoming, answer).catch((error: unknown) => {
      if (answer.headersSent) return void answer.destroy();
      const { status, reason, message } =
        error instanceof Refusal ? error : { status: 500, reason: "backendError", message: String(error) };
      say(answer, status, { error: { code: status, message, errors: [{ domain: "global", reason, message }] } });
    });
  });
  // A client that is held up for long must not find its connection closed in the middle of a request.
  server.keepAliveTimeout = 600_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    token,
    full,
    uploads,
    objects: (bucket) => buckets.get(bucket)?.current ?? new Map(),
    careless,
    keeping,
    fullOnceDestroyed,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

interface About {
  readonly name?: string;
  readonly md5Hash?: string;
  readonly storageClass?: string;
  readonly retention?: Retention;
  readonly versioning?: { readonly enabled?: boolean };
}

const retained = (): Refusal =>
  new Refusal(403, "retentionPolicyNotMet", "The object is subject to a retention and cannot be deleted yet.");

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
