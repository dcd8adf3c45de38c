/** Reads every value of the bench's table once, in key order, and does nothing with it: `read-table.ts FILE`. */
import { DatabaseSync } from "node:sqlite";

using database = new DatabaseSync(process.argv[2] ?? "", { readOnly: true });
const statement = database.prepare("SELECT * FROM contact ORDER BY id");
statement.setReturnArrays(true);
statement.setReadBigInts(true);
for (const row of statement.iterate()) void row;
