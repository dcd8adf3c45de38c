import { HoldfastError, isHoldfastError } from "../lib/errors.ts";

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
        if (isHoldfastError(error)) throw error;
        throw new HoldfastError("storage-login", { location, reason: "no credentials of Google's were found" }, error);
      }
    },
    async project() {
      connecting ??= connect();
      return await (await connecting).project().catch(() => undefined);
    },
  };
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
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    const facts = { kind: "gs", library: "google-auth-library", version: libraryVersion };
    throw new HoldfastError("storage-library", facts, error);
  }
}
