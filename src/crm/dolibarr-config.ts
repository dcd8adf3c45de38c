import { resolve } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import { readPhp } from "./php-data.ts";
import { addressOf } from "./server-url.ts";

/** What Dolibarr's `conf.php` says of where things are. */
export interface DolibarrConfig {
  /** `mariadb://user@host:3306/name`, `postgresql://…`; without a password. */
  readonly database: string;
  readonly password: string | undefined;
  /** Before each table's name: `llx_`. */
  readonly prefix: string;
  /** Documents, absolute. */
  readonly dataRoot: string;
  /** The web server's folder, absolute; absent where the file does not say. */
  readonly documentRoot: string | undefined;
  /** Folders with modules from elsewhere, absolute. */
  readonly moduleRoots: readonly string[];
  /** What stored secrets are encrypted with; absent where the file does not say. */
  readonly secretKey: string | undefined;
}

/** Reads the text as data. Fails with `crm-configuration-unreadable` when it does not say what is needed. */
export function readDolibarrConfig(text: string, file: string): DolibarrConfig {
  const php = readPhp(text);
  const given = (name: string): string | undefined => php.get(`dolibarr_main_${name}`)?.trim() || undefined;
  const needed = (name: string): string => {
    const value = given(name);
    if (value === undefined) {
      throw new HoldfastError("crm-configuration-unreadable", { path: file, reason: `$dolibarr_main_${name}` });
    }
    return value;
  };
  const secret = given("db_pass");
  return {
    database: databaseUrl(needed("db_name"), given, file),
    password: secret === undefined ? undefined : decodedPassword(secret),
    prefix: given("db_prefix") ?? "llx_",
    dataRoot: resolve(needed("data_root")),
    documentRoot: given("document_root"),
    moduleRoots: (given("document_root_alt") ?? "").split(",").filter((path) => path.startsWith("/")),
    secretKey: given("dolcrypt_key") ?? given("instance_unique_id"),
  };
}

function databaseUrl(name: string, given: (name: string) => string | undefined, file: string): string {
  const type = given("db_type") ?? "mysqli";
  const scheme = type === "pgsql" ? "postgresql" : /^mysqli?$/.test(type) ? "mariadb" : undefined;
  if (scheme === undefined) throw new HoldfastError("database-unsupported", { url: `${type}:`, reason: file });
  const [host, port, user] = [given("db_host"), given("db_port"), given("db_user")];
  return addressOf({ scheme, host, port, user, name }).url;
}

/**
 * `crypted:` hides a password by adding 17 to each byte (`dol_encode` of Dolibarr's security.lib.php), `dolcrypt:` encrypts
 * it with a key that this file may not hold: it must then be named in `holdfast.yaml`.
 */
function decodedPassword(value: string): string | undefined {
  if (value.startsWith("dolcrypt:")) return undefined;
  if (!value.startsWith("crypted:")) return value;
  const bytes = Buffer.from(value.slice("crypted:".length), "base64");
  return Buffer.from(bytes.map((byte) => (byte - 17) & 255)).toString("utf8");
}
