import type { AlertEvent } from "../config/service-config.ts";

/**
 * Where alerts go. A route is one file: it is given a message that is ready to read, and either somebody has it, or it
 * fails with `alert-failed` and the reason (and `lasting`
 * where trying again would change nothing). What is told when, is decided elsewhere (`jobs/alerting.ts`); a test goes the
 * same way as a real one.
 */
export interface AlertRoute {
  /** Resolves when the other side has taken it. */
  send(message: AlertMessage, signal: AbortSignal): Promise<void>;
}

export interface AlertMessage {
  /** The same however often it is tried: for whoever wants to count it once. */
  readonly id: string;
  readonly event: AlertEvent | "test";
  /** The CRM's, copy's or repository's job that it is about. */
  readonly subject: string;
  /** RFC 3339, UTC. */
  readonly time: string;
  /** One line. */
  readonly title: string;
  /** Some lines; ends without a line feed. */
  readonly text: string;
  /** What a program wants to know; without secrets. */
  readonly facts: Readonly<Record<string, unknown>>;
}
