// Runs the statements of a file in DuckDB, and prints the rows of each that gives some as
// CSV, tables apart by an empty line: duckdb.mjs FILE.sql.
import { readFileSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";

const connection = await (await DuckDBInstance.create()).connect();
const statements = await connection.extractStatements(readFileSync(process.argv[2], "utf8"));
const tables = [];
for (let i = 0; i < statements.count; i++) {
  const result = await (await statements.prepare(i)).runAndReadAll();
  if (result.columnNames()[0] === "Count") continue; // of a table that was made
  tables.push([result.columnNames(), ...result.getRows()].map((row) => row.join(",") + "\n").join(""));
}
console.log(tables.join("\n"));
