import type { ErrorCode } from "../lib/errors.ts";

/** What Node calls a failure of a connection → what it means for a storage. What passes by itself is tried again. */
const codes: Readonly<Record<string, ErrorCode>> = {
  EAI_AGAIN: "storage-unreachable",
  ECONNABORTED: "storage-unreachable",
  ECONNREFUSED: "storage-unreachable",
  ECONNRESET: "storage-unreachable",
  EHOSTDOWN: "storage-unreachable",
  EHOSTUNREACH: "storage-unreachable",
  ENETDOWN: "storage-unreachable",
  ENETUNREACH: "storage-unreachable",
  ENOTCONN: "storage-unreachable",
  EPIPE: "storage-unreachable",
  ETIMEDOUT: "storage-unreachable",
  ERR_STREAM_PREMATURE_CLOSE: "storage-unreachable",
  TimeoutError: "storage-unreachable",
  // The names of Node's own `fetch`.
  UND_ERR_SOCKET: "storage-unreachable",
  UND_ERR_CONNECT_TIMEOUT: "storage-unreachable",
  UND_ERR_HEADERS_TIMEOUT: "storage-unreachable",
  UND_ERR_BODY_TIMEOUT: "storage-unreachable",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "storage-unreachable",

  // The name service answered that there is no such host.
  ENOTFOUND: "storage-address",
  // Something answers there, and not TLS.
  EPROTO: "storage-address",
  ERR_SSL_WRONG_VERSION_NUMBER: "storage-address",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "storage-address",

  CERT_HAS_EXPIRED: "storage-certificate",
  CERT_NOT_YET_VALID: "storage-certificate",
  CERT_REVOKED: "storage-certificate",
  CERT_UNTRUSTED: "storage-certificate",
  DEPTH_ZERO_SELF_SIGNED_CERT: "storage-certificate",
  ERR_TLS_CERT_ALTNAME_INVALID: "storage-certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "storage-certificate",
  UNABLE_TO_GET_ISSUER_CERT: "storage-certificate",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "storage-certificate",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "storage-certificate",
};

/** `undefined` when the connection was not what failed. `reason` is Node's word, such as `ECONNREFUSED`. */
export function networkErrorCode(error: unknown): { readonly code: ErrorCode; readonly reason: string } | undefined {
  for (let one = error; one instanceof Error; one = one.cause) {
    // Several addresses of one host, each tried.
    const inner = one instanceof AggregateError ? (one.errors[0] as unknown) : one;
    const reason = inner instanceof Error && "code" in inner ? inner.code : one.name;
    const known = typeof reason === "string" ? (codes[reason] ?? codes[one.name]) : undefined;
    if (known !== undefined) return { code: known, reason: typeof reason === "string" ? reason : one.name };
  }
  return undefined;
}
