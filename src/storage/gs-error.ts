import { type ErrorCode, HoldfastError } from "../lib/errors.ts";
import type { HttpAnswer } from "./http-request.ts";
import { httpStatusCodes } from "./http-status.ts";

/** What Google calls an error → what it means for a storage, where the status alone says less. */
const reasons: Readonly<Record<string, ErrorCode>> = {
  rateLimitExceeded: "storage-unreachable",
  userRateLimitExceeded: "storage-unreachable",
  backendError: "storage-unreachable",
  quotaExceeded: "storage-full",
  // A policy that keeps what is there.
  retentionPolicyNotMet: "storage-append-only",
  objectUnderActiveHold: "storage-append-only",
};

export interface GsSubject {
  readonly location: string;
  readonly bucket: string;
}

/** Reads what a server says against a request; nothing of it is believed but names. */
export async function gsError({ response, body, subject }: HttpAnswer, { bucket }: GsSubject): Promise<HoldfastError> {
  const { status } = response;
  const said = await start(body);
  const named = /"reason"\s*:\s*"([A-Za-z]{3,60})"/.exec(said)?.[1];
  const isBucket = status === 404 && /bucket does not exist/i.test(said);
  const isSumWrong = status === 400 && /hash|md5/i.test(said);
  const known = reasons[named ?? ""] ?? (isSumWrong ? "storage-unreachable" : httpStatusCodes[status]);
  const code = isBucket
    ? "storage-missing"
    : (known ?? (status >= 300 && status < 400 ? "storage-address" : "storage-failed"));
  return new HoldfastError(code, { ...subject, bucket, reason: named ?? `HTTP ${status}` });
}

async function start(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > mostBytes) break;
  }
  return Buffer.concat(chunks).toString("utf8", 0, mostBytes);
}

const mostBytes = 16_384;
