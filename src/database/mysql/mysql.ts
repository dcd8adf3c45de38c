/**
 * MariaDB and MySQL, over the wire protocol of `mysql2`.
 *
 * - `location.ts`, `option-file.ts`, `connection.ts`: from a URL to a connection; `session.ts` is all that is asked on one, `failure.ts` gives
 *   errors their codes.
 * - `inspect.ts`, `programs.ts`, `table-key.ts`, `rights.ts`: what is in a database, and what this user may not see of it.
 * - `snapshot.ts`, `reader.ts`: one moment over several connections, rows as lines (`line-sql.ts`, `line-encoder.ts`).
 * - `column-kind.ts`, `field.ts`, `key-order.ts`, `row-hash.ts`: what lines mean.
 * - `load.ts`, `table-load.ts`, `load-sql.ts`, `loaded-sums.ts`, `restore-script.ts`: from lines to a database, by us or by the server's own client.
 * - `rows.ts` finds and changes single rows (`key-literal.ts`).
 * - `home.ts`, `identity.ts`, `rename.ts`, `marker.ts`: a restored database takes the place of the live one.
 * - `private-server.ts` starts a server for one copy.
 * - `log-open.ts`, `log-feed.ts` follow changes by the binary log: `log-stream.ts` is sent it, `log-events.ts`, `log-values.ts` and
 *   `log-rows.ts` turn rows into lines; what only the server knows how to write, it is asked for. `log-statement.ts` and
 *   `statement-tables.ts` read statements, `log-transaction.ts` keeps what was taken back, `log-again.ts` reads what counts only later.
 */
import type { DatabaseEngine } from "../database.ts";
import { checkMysql } from "./check.ts";
import { connectMysql } from "./connect.ts";
import { askMysql, executeMysql } from "./execute.ts";
import { fitted, lineField, readable, searchable, textOf } from "./field.ts";
import { holdersOf, mysqlHome } from "./home.ts";
import { keyOrder } from "./key-order.ts";
import { loadMysql } from "./load.ts";
import { rowSql } from "./load-sql.ts";
import { isMysqlUrl } from "./location.ts";
import { snapshotPoint } from "./log-position.ts";
import { restoreScript } from "./restore-script.ts";
import { addRowHash, rowHash } from "./row-hash.ts";
import { mysqlRows } from "./rows.ts";

export const mysqlEngine: DatabaseEngine = {
  name: "mysql",
  accepts: isMysqlUrl,
  connect: connectMysql,
  load: loadMysql,
  check: checkMysql,
  rowHash,
  addRowHash,
  keyOrder,
  readable,
  textOf,
  lineField,
  fitted,
  searchable,
  rowSql,
  restoreScript,
  execute: executeMysql,
  ask: askMysql,
  rows: mysqlRows,
  holders: holdersOf,
  home: mysqlHome,
  log: {
    pointOf: snapshotPoint,
    async follow(address, options) {
      const { openFeed } = await import("./log-open.ts");
      return openFeed(address, options);
    },
  },
};
