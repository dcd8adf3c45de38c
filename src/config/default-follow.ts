import type { FollowConfig } from "./config.ts";

/** A second, and as much log as a small server has room for. */
export const defaultFollow: FollowConfig = { rpoMs: 1000, rpoMsByCrm: {}, logBytes: 8 * 2 ** 30 };
