// Tables of the API as Arrow sends them: columns of numbers, ready to be drawn.
import { tableFromIPC } from "@uwdata/flechette";
import type { paths } from "../../../gen/console/openapi";
import { address, send } from "./api";

/** A table: its number of rows, and each column by its name. Times are milliseconds. */
export interface Table {
  rows: number;
  names: string[];
  column: (name: string) => ArrayLike<number | null>;
}

/** Reads an answer as Arrow. */
export async function table<P extends keyof paths>(path: P, query: object, signal: AbortSignal): Promise<Table> {
  const response = await send(address(path, { ...query, format: "arrow" }), { signal });
  const read = tableFromIPC(await response.arrayBuffer());
  return {
    rows: read.numRows,
    names: read.names.map(String),
    column: (name) => read.getChild(name)?.toArray() as ArrayLike<number | null>,
  };
}
