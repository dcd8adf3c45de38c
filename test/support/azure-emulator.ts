import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

/**
 * What Azurite has not: Azure's Blob Storage with versions and with immutability of single versions, in memory, as Microsoft's
 * reference of the REST API describes them. Signatures are not looked at. A delete makes the current version an old
 * one; an old one is deleted by its id, unless it is locked; a lock of the mode `locked` is never shortened nor taken off.
 */
export interface AzureEmulator extends AsyncDisposable {
  /** What Holdfast reads of the login. */
  readonly environment: Readonly<Record<string, string>>;
  readonly endpoint: string;
  /** Containers that were made without immutability of versions. */
  readonly plain: Set<string>;
  /** Containers that forget every lock as soon as it is set. */
  readonly careless: Set<string>;
  /** Containers of which nobody may ask for a lock to be taken off. */
  readonly unwilling: Set<string>;
}

interface Version {
  readonly id: string;
  readonly bytes: Buffer;
  until?: Date | undefined;
  mode?: string | undefined;
}

interface Blob {
  current: Version | undefined;
  readonly old: Version[];
}

class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

const account = "holdfasttest";

export async function startAzureEmulator(): Promise<AzureEmulator> {
  const containers = new Map<string, Map<string, Blob>>();
  const plain = new Set<string>();
  const careless = new Set<string>();
  const unwilling = new Set<string>();
  let lastMs = 0;

  const nextId = (): string => {
    lastMs = Math.max(Date.now(), lastMs + 1);
    return new Date(lastMs).toISOString().replace("Z", "0000Z");
  };
  const isKept = ({ until }: Version): boolean => until !== undefined && until.getTime() > Date.now();
  const containerNamed = (name: string): Map<string, Blob> => {
    const found = containers.get(name);
    if (found === undefined) throw new Refusal(404, "ContainerNotFound");
    return found;
  };

  function onContainer(method: string, name: string, query: URLSearchParams, answer: ServerResponse): void {
    if (query.get("comp") === "list") return list(containerNamed(name), query, answer);
    if (method === "PUT") {
      if (containers.has(name)) throw new Refusal(409, "ContainerAlreadyExists");
      containers.set(name, new Map());
      return void answer.writeHead(201).end();
    }
    containerNamed(name);
    answer.writeHead(200, { "x-ms-immutable-storage-with-versioning-enabled": String(!plain.has(name)) }).end();
  }

  function list(blobs: Map<string, Blob>, query: URLSearchParams, answer: ServerResponse): void {
    const prefix = query.get("prefix") ?? "";
    const include = query.get("include") ?? "";
    const items = [...blobs]
      .filter(([name]) => name.startsWith(prefix))
      .flatMap(([name, { current, old }]) =>
        [...(include.includes("versions") ? old : []), ...(current ? [current] : [])].map((one) => {
          const policy =
            one.until === undefined
              ? ""
              : `<ImmutabilityPolicyUntilDate>${one.until.toUTCString()}</ImmutabilityPolicyUntilDate><ImmutabilityPolicyMode>${one.mode}</ImmutabilityPolicyMode>`;
          const versions = include.includes("versions")
            ? `<VersionId>${one.id}</VersionId>${one === current ? "<IsCurrentVersion>true</IsCurrentVersion>" : ""}`
            : "";
          return `<Blob><Name>${name}</Name>${versions}<Properties><Last-Modified>${new Date(one.id).toUTCString()}</Last-Modified><Etag>"${one.id}"</Etag><Content-Length>${one.bytes.length}</Content-Length><BlobType>BlockBlob</BlobType>${include.includes("immutabilitypolicy") ? policy : ""}</Properties></Blob>`;
        }),
      );
    const from = Number(query.get("marker") || "0");
    const most = Math.min(Number(query.get("maxresults") ?? 5000), 40);
    const next = from + most < items.length ? String(from + most) : "";
    const page = items.slice(from, from + most).join("");
    answer.writeHead(200, { "content-type": "application/xml" });
    answer.end(
      `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://host/" ContainerName="c"><Blobs>${page}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`,
    );
  }

  function setPolicy(container: string, version: Version, headers: IncomingMessage["headers"]): void {
    const said = headers["x-ms-immutability-policy-until-date"];
    if (typeof said !== "string") return;
    if (plain.has(container)) throw new Refusal(409, "VersionLevelImmutabilityNotEnabled");
    const [until, mode] = [
      new Date(said),
      String(headers["x-ms-immutability-policy-mode"] ?? "unlocked").toLowerCase(),
    ];
    if (isKept(version) && version.mode === "locked" && (mode !== "locked" || until < (version.until ?? until))) {
      throw new Refusal(409, "BlobImmutableDueToPolicy");
    }
    if (!careless.has(container)) Object.assign(version, { until, mode });
  }

  async function onBlob(incoming: IncomingMessage, answer: ServerResponse, container: string, name: string) {
    const { method = "GET", headers } = incoming;
    const query = new URL(incoming.url ?? "/", "http://host").searchParams;
    const blobs = containerNamed(container);
    const body = await buffer(incoming);
    const blob: Blob = blobs.get(name) ?? { current: undefined, old: [] };
    if (method === "PUT" && query.get("comp") === null) {
      if (headers["if-none-match"] === "*" && blob.current !== undefined) throw new Refusal(409, "BlobAlreadyExists");
      const version: Version = { id: nextId(), bytes: body };
      setPolicy(container, version, headers);
      if (blob.current !== undefined) blob.old.push(blob.current);
      blob.current = version;
      blobs.set(name, blob);
      return void answer.writeHead(201, { "x-ms-version-id": version.id, etag: `"${version.id}"` }).end();
    }
    const id = query.get("versionid");
    const found = id === null ? blob.current : [...blob.old, blob.current].find((one) => one?.id === id);
    if (found === undefined) throw new Refusal(404, "BlobNotFound");
    if (query.get("comp") === "immutabilityPolicies") {
      if (method === "PUT") setPolicy(container, found, headers);
      else if (unwilling.has(container)) throw new Refusal(403, "AuthorizationPermissionMismatch");
      else if (isKept(found) && found.mode === "locked")
        throw new Refusal(409, "ImmutabilityPolicyDeleteOnLockedPolicy");
      else Object.assign(found, { until: undefined, mode: undefined });
      return void answer.writeHead(200).end();
    }
    if (method === "DELETE") {
      if (id === null) {
        blob.old.push(found);
        blob.current = undefined;
      } else {
        if (found === blob.current) throw new Refusal(400, "OperationNotAllowedOnRootBlob");
        if (isKept(found)) throw new Refusal(409, "BlobImmutableDueToPolicy");
        blob.old.splice(blob.old.indexOf(found), 1);
      }
      return void answer.writeHead(202).end();
    }
    download(incoming, answer, found);
  }

  function download({ method, headers }: IncomingMessage, answer: ServerResponse, { id, bytes, until, mode }: Version) {
    const about = {
      "last-modified": new Date(id).toUTCString(),
      etag: `"${id}"`,
      "x-ms-blob-type": "BlockBlob",
      "x-ms-version-id": id,
      ...(until && {
        "x-ms-immutability-policy-until-date": until.toUTCString(),
        "x-ms-immutability-policy-mode": mode,
      }),
    };
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(String(headers["x-ms-range"] ?? headers.range ?? "")) ?? [];
    if (first === undefined) {
      answer.writeHead(200, { ...about, "content-length": bytes.length });
      return void answer.end(method === "HEAD" ? undefined : bytes);
    }
    const [from, to] = [Number(first), Math.min(bytes.length - 1, last === "" ? Infinity : Number(last))];
    if (from >= bytes.length) throw new Refusal(416, "InvalidRange");
    const range = { "content-range": `bytes ${from}-${to}/${bytes.length}`, "content-length": to - from + 1 };
    answer.writeHead(206, { ...about, ...range }).end(bytes.subarray(from, to + 1));
  }

  const server = createServer((incoming, answer) => {
    const { pathname, searchParams } = new URL(incoming.url ?? "/", "http://host");
    const [, , container = "", ...rest] = pathname.split("/");
    const handle = async (): Promise<void> => {
      if (searchParams.get("restype") === "container") {
        return onContainer(incoming.method ?? "GET", container, searchParams, answer);
      }
      return onBlob(incoming, answer, container, decodeURIComponent(rest.join("/")));
    };
    handle().catch((error: unknown) => {
      if (answer.headersSent) return void answer.destroy();
      const { status, code } = error instanceof Refusal ? error : { status: 500, code: "InternalError" };
      answer.writeHead(status, { "x-ms-error-code": code, "content-type": "application/xml" });
      answer.end(incoming.method === "HEAD" ? undefined : `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`);
    });
  });
  // A client that is held up for long must not find its connection closed in the middle of a request.
  server.keepAliveTimeout = 600_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const endpoint = `http://127.0.0.1:${address.port}/${account}`;
  return {
    endpoint,
    environment: {
      AZURE_STORAGE_CONNECTION_STRING: `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${Buffer.from("key").toString("base64")};BlobEndpoint=${endpoint};`,
    },
    plain,
    careless,
    unwilling,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
