// Reads a day by types that openapi-typescript makes of each server's document:
//
//	npx openapi-typescript "$SOURCE_API_URL/openapi.json" --output source.ts
//	npx openapi-typescript "$TARGET_API_URL/openapi.json" --output target.ts
import createClient from "openapi-fetch";
import type { paths as Source } from "./source.js";
import type { paths as Target } from "./target.js";

const bearer = (token?: string) => (token ? { Authorization: `Bearer ${token}` } : {});
const source = createClient<Source>({ baseUrl: process.env.SOURCE_API_URL, headers: bearer(process.env.SOURCE_API_TOKEN) });
const target = createClient<Target>({ baseUrl: process.env.TARGET_API_URL, headers: bearer(process.env.TARGET_API_TOKEN) });

const samples = await source.GET("/data", {
  params: { query: { start: "2025-01-01", before: "2025-01-02", turbines: ["all"] } },
  // Lists are sent as a,b.
  querySerializer: { array: { style: "form", explode: false } },
});
if (samples.error) throw new Error(samples.error.detail);
const windows = await target.GET("/windows", {
  params: { query: { start: "2025-01-01", before: "2025-01-02", wide: true } },
});
if (windows.error) throw new Error(windows.error.detail);
console.log(`${samples.data.length} samples, ${windows.data.length} windows`);
