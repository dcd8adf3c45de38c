import { chmodSync, chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandOutput } from "./run-command.ts";

/** A certificate authority of one test's own, and what it signed for a server that is called `localhost`. */
export interface Authority {
  /** Its own certificate: who trusts it names this file. */
  readonly root: string;
  readonly certificate: string;
  readonly key: string;
}

/** @param owner whose the server's two files are, where it is not this user */
export async function makeAuthority(
  folder: string,
  name: string,
  owner?: { readonly uid: number; readonly gid: number },
): Promise<Authority> {
  const at = (file: string) => join(folder, `${name}-${file}`);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const openssl = (...args: readonly string[]) => commandOutput("openssl", args);
  await openssl(
    "req",
    "-x509",
    ...newKey,
    "-days",
    "2",
    "-subj",
    `/CN=${name}`,
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
  );
  await openssl(
    "req",
    "-new",
    ...newKey,
    "-subj",
    "/CN=localhost",
    "-keyout",
    at("server.key"),
    "-out",
    at("server.csr"),
  );
  writeFileSync(at("names"), "subjectAltName=DNS:localhost\n");
  const signed = [
    "-CA",
    at("ca.pem"),
    "-CAkey",
    at("ca.key"),
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    at("names"),
  ];
  await openssl("x509", "-req", "-in", at("server.csr"), ...signed, "-out", at("server.pem"));
  for (const file of [at("server.key"), at("server.pem")]) {
    chmodSync(file, 0o600);
    if (owner) chownSync(file, owner.uid, owner.gid);
  }
  return { root: at("ca.pem"), certificate: at("server.pem"), key: at("server.key") };
}
