// Reads a day by the functions that @hey-api/openapi-ts makes of each server's document,
// as openapi-ts.config.mjs says:
//
//	npx openapi-ts
import { client as source } from "./source/client.gen.js";
import { getData } from "./source/sdk.gen.js";
import { client as target } from "./target/client.gen.js";
import { getWindows } from "./target/sdk.gen.js";

source.setConfig({ baseUrl: process.env.SOURCE_API_URL, auth: process.env.SOURCE_API_TOKEN, throwOnError: true });
target.setConfig({ baseUrl: process.env.TARGET_API_URL, auth: process.env.TARGET_API_TOKEN, throwOnError: true });

const day = { start: "2025-01-01", before: "2025-01-02" };
const samples = await getData({ query: { ...day, turbines: ["all"] } });
const windows = await getWindows({ query: { ...day, wide: true } });
console.log(`${samples.data?.length} samples, ${windows.data?.length} windows`);
