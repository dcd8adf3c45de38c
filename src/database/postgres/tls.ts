import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions } from "node:tls";

import type { Login } from "./address.ts";

/**
 * TLS as libpq's modes mean it: `allow` and `prefer` try with TLS where the server has it and check nothing, `require` insists on TLS,
 * `verify-ca` checks who signed the certificate, `verify-full` also whose it is. `require` with a root certificate at
 * hand checks like `verify-ca`. Without `sslrootcert`, a checking mode takes `~/.postgresql/root.crt`, else the
 * authorities that Node.js knows.
 */
export async function tlsOptions(login: Login): Promise<ConnectionOptions | false> {
  const { sslMode, host, sslRootCert, sslCert, sslKey } = login;
  if (host.startsWith("/") || sslMode === "disable") return false;
  const ownRoot = await readFile(join(homedir(), ".postgresql", "root.crt")).catch(() => undefined);
  const useSystem = sslRootCert === "system";
  const root = sslRootCert === undefined || useSystem ? ownRoot : await readFile(sslRootCert);
  const verifies =
    sslMode === "verify-ca" || sslMode === "verify-full" || (sslMode === "require" && sslRootCert !== undefined);
  return {
    rejectUnauthorized: verifies,
    ...(verifies && root !== undefined && !useSystem && { ca: root }),
    ...(sslMode !== "verify-full" && !useSystem && { checkServerIdentity: () => undefined }),
    ...(sslCert !== undefined && { cert: await readFile(sslCert) }),
    ...(sslKey !== undefined && { key: await readFile(sslKey) }),
  };
}

/** Modes in which a server without TLS is talked to all the same. */
export function mayGoPlain({ sslMode }: Login): boolean {
  return sslMode === "prefer" || sslMode === "allow";
}
