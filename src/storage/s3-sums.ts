import { hash } from "node:crypto";
import { isS3Error } from "./s3-error.ts";
import type { S3Library, S3Requests } from "./s3-requests.ts";
import { unsharedBody } from "./unshared-body.ts";

/** Below this, an MD5 costs nothing worth asking for. */
const worthwhileBytes = 1 << 20;

/**
 * Whether the server compares what comes with the SHA-256 in its request, which a pack's name is. Then it needs no MD5, which
 * takes more than a second of processor time a gigabyte.
 *
 * Whoever checks signatures should compare, and not all who speak S3 are known to. So it is tried, once: bytes that are not those
 * of their sum have to be refused as just that. Until it has refused them an MD5 goes along, and for good where it takes them.
 */
export class S3Sums {
  readonly #requests: S3Requests;
  #comparison: "unknown" | "tried" | "proved" = "unknown";

  constructor(requests: S3Requests) {
    this.#requests = requests;
  }

  /** Never waits: the first ones are told no. */
  suffice(length: number, signal: AbortSignal): boolean {
    if (length < worthwhileBytes) return false;
    if (this.#comparison === "unknown") {
      this.#comparison = "tried";
      this.#tryIt(signal).then(
        (compares) => void (compares && (this.#comparison = "proved")),
        // It goes on with MD5, and whoever stores something is told what is wrong.
        () => undefined,
      );
    }
    return this.#comparison === "proved";
  }

  async #tryIt(signal: AbortSignal): Promise<boolean> {
    const { ask, place } = this.#requests;
    // Always the same one: what may not be removed does not pile up.
    const Key = `${place.prefix}holdfast-probe`;
    const sum = hash("sha256", "something else");
    return ask(undefined, signal, async (client, { PutObjectCommand, DeleteObjectCommand }, bucket) => {
      const bytes = Buffer.from("bytes that should be refused");
      const command = new PutObjectCommand({
        ...bucket,
        Key,
        Body: bytes,
        ContentLength: bytes.length,
        ChecksumSHA256: inBase64(sum),
      });
      sendUnshared(command, bytes, sum);
      try {
        await client.send(command, { abortSignal: signal });
      } catch (error) {
        return isS3Error(error, "XAmzContentSHA256Mismatch", "BadDigest");
      }
      await client.send(new DeleteObjectCommand({ ...bucket, Key }), { abortSignal: signal });
      return false;
    });
  }
}

/** As a header has it. */
export function inBase64(sum: string): string {
  return Buffer.from(sum, "hex").toString("base64");
}

/**
 * Of a stream the library knows no sum, and without one it would not sign what is sent: `sum` is the SHA-256 of the bytes. Anew where it is
 * redirected.
 */
export function sendUnshared(
  { middlewareStack }: InstanceType<S3Library["PutObjectCommand"]>,
  bytes: Uint8Array,
  sum: string,
): void {
  middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { headers: Record<string, string>; body: unknown };
      request.headers["x-amz-content-sha256"] = sum;
      request.body = unsharedBody(bytes);
      return next(args);
    },
    { step: "build", priority: "low", name: "unsharedBody" },
  );
}
