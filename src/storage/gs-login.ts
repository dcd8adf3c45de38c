import { type ErrorCode, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { hasSystemCode } from "../lib/system-code.ts";
import { httpStatusCodes } from "./http-status.ts";
import { networkErrorCode } from "./network-error.ts";

/** Of the version that `package.json` names: what it is tested with. */
const libraryVersion = "11.3.4";

export interface GsLogin {
  /** For the next request; the library renews what expires. */
  headers(): Promise<Readonly<Record<string, string>>>;
  /** Where a new bucket belongs. */
  project(): Promise<string | undefined>;
}

/**
 * Who we are, from where Google's own programs and restic take it: `GOOGLE_ACCESS_TOKEN`, a service account's key in
 * `GOOGLE_CREDENTIALS` or in the file that `GOOGLE_APPLICATION_CREDENTIALS` names, `gcloud auth application-default`, workload
 * identity, the machine's own account. A new bucket belongs to `GOOGLE_PROJECT_ID`.
 */
export function gsLogin(location: string, environment: NodeJS.ProcessEnv): GsLogin {
  const {
    GOOGLE_ACCESS_TOKEN: token,
    GOOGLE_CREDENTIALS: credentials,
    GOOGLE_PROJECT_ID: project = environment["GOOGLE_CLOUD_PROJECT"],
    STORAGE_EMULATOR_HOST: emulator,
  } = environment;
  if (token || emulator) {
    const headers: Readonly<Record<string, string>> = token ? { authorization: `Bearer ${token}` } : {};
    return { headers: async () => headers, project: async () => project };
  }
  const connect = async (): Promise<Connected> => {
    const { GoogleAuth, JWT } = await loadLibrary();
    if (!credentials) {
      const auth = new GoogleAuth({ scopes: [scope], ...(project && { projectId: project }) });
      return { client: auth, project: async () => project ?? (await auth.getProjectId()) };
    }
    const { client_email: email, private_key: key, project_id: its } = serviceAccount(credentials, location);
    return { client: new JWT({ email, key, scopes: [scope] }), project: async () => project ?? its };
  };
  let connecting: Promise<Connected> | undefined;
  return {
    async headers() {
      try {
        connecting ??= connect();
        return Object.fromEntries(await (await connecting).client.getRequestHeaders());
      } catch (error) {
        connecting = undefined;
        throw loginError(error, location);
      }
    },
    async project() {
      connecting ??= connect();
      return await (await connecting).project().catch(() => undefined);
    },
  };
}

/** What the library throws when it asked for a token, as far as we read it. */
interface TokenFailure extends Error {
  readonly response?: { readonly status?: number; readonly data?: unknown };
}

/** Who gives tokens may be out of reach or busy for a moment, as the storage itself: that is waited for, in a long run too. */
function loginError(error: unknown, location: string): unknown {
  if (isHoldfastError(error) || !(error instanceof Error)) return error;
  const failed = (code: ErrorCode, reason: string) => new HoldfastError(code, { location, reason }, error);
  const network = networkErrorCode(error);
  if (network?.code === "storage-unreachable" || network?.code === "storage-certificate")
    return failed(network.code, network.reason);
  const { status, data } = (error as TokenFailure).response ?? {};
  if (status === undefined) return failed("storage-login", "no credentials of Google's were found");
  if (httpStatusCodes[status] === "storage-unreachable") return failed("storage-unreachable", `HTTP ${status}`);
  const { error: name, error_description: said } = (data ?? {}) as Readonly<Record<string, unknown>>;
  const reason = typeof name === "string" && /^[a-z_]{3,60}$/.test(name) ? name : `HTTP ${status}`;
  // "Token must be … in a reasonable timeframe. Check your iat and exp values."
  return failed(typeof said === "string" && /\biat and exp\b/.test(said) ? "storage-clock" : "storage-login", reason);
}

const scope = "https://www.googleapis.com/auth/devstorage.read_write";

interface Connected {
  readonly client: { getRequestHeaders(): Promise<Headers> };
  project(): Promise<string | undefined>;
}

interface ServiceAccount {
  readonly client_email: string;
  readonly private_key: string;
  readonly project_id?: string;
}

/** Of that type alone: others name addresses that secrets are sent to. */
function serviceAccount(json: string, location: string): ServiceAccount {
  // What a parser says repeats what it read.
  const wrong = new HoldfastError("storage-login", { location, reason: "GOOGLE_CREDENTIALS" });
  let found: Partial<ServiceAccount> & { readonly type?: unknown };
  try {
    found = JSON.parse(json) as Partial<ServiceAccount>;
  } catch {
    throw wrong;
  }
  const { type, client_email: email, private_key: key, project_id: project } = found;
  if (type !== "service_account" || typeof email !== "string" || typeof key !== "string") throw wrong;
  return { client_email: email, private_key: key, ...(typeof project === "string" && { project_id: project }) };
}

async function loadLibrary(): Promise<typeof import("google-auth-library")> {
  try {
    return await import("google-auth-library");
  } catch (error) {
    if (!hasSystemCode(error, "ERR_MODULE_NOT_FOUND")) throw error;
    const facts = { kind: "gs", library: "google-auth-library", version: libraryVersion };
    throw new HoldfastError("storage-library", facts, error);
  }
}
