import { HoldfastError } from "../lib/errors.ts";
import { sshError } from "./ssh-error.ts";
import type { SftpPlace } from "./sftp-location.ts";
import { SftpSession } from "./sftp-session.ts";
import { hostKeyOf, startSsh } from "./ssh-process.ts";

interface SftpConnection {
  readonly place: SftpPlace;
  readonly location: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly silentMs: number;
  readonly onEnd: () => void;
}

/** A session that answers, or what `ssh` says against it. */
export async function connectSftp(connection: SftpConnection): Promise<SftpSession> {
  const { place, location, environment, silentMs, onEnd } = connection;
  const { child, forgetSecrets } = await startSsh(place, environment);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString("utf8")).slice(-saidMost)));
  const explain = (reason: string): HoldfastError => {
    if (reason === "ENOENT") return new HoldfastError("storage-program", { kind: "sftp", program: "ssh" });
    if (reason === "no SFTP") return new HoldfastError("storage-address", { location, reason });
    return sshError(said, reason, location);
  };
  const session = new SftpSession(child, { silentMs, explain, onEnd });
  try {
    await session.greet();
    return session;
  } catch (error) {
    child.kill();
    throw await withHostKey(error, place, environment);
  } finally {
    forgetSecrets();
  }
}

const saidMost = 16_384;

/** A key that is not known or another than the known one: with what there is to compare and to write down. */
async function withHostKey(error: unknown, place: SftpPlace, environment: NodeJS.ProcessEnv): Promise<unknown> {
  if (!(error instanceof HoldfastError)) return error;
  if (error.code !== "storage-host-unknown" && error.code !== "storage-host-changed") return error;
  const key = await hostKeyOf(place, environment);
  return new HoldfastError(error.code, { ...key }, error);
}
