// The target API, as openapi.yaml declares it: every call is checked against the types
// that are generated from it.
import type { components, paths } from "../../../gen/console/openapi";

export type Schemas = components["schemas"];
export type Partition = Schemas["Partition"];
export type Run = Schemas["Run"];
export type State = Schemas["PartitionState"];

type Method = "get" | "post" | "patch" | "delete";
// The paths that have the method.
type PathOf<M extends Method> = { [P in keyof paths]: paths[P] extends { [K in M]: object } ? P : never }[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends { [K in M]: infer O } ? O : never;
type Parameters<O, Kind extends string> = O extends { parameters: infer A } ? (A extends { [K in Kind]?: infer V } ? NonNullable<V> : object) : object;
type Body<O> = O extends { requestBody: { content: { "application/json": infer B } } } ? B : undefined;
type Answers<O> = O extends { responses: infer R } ? R[Extract<keyof R, 200 | 202>] : never;
type Answer<O> = Answers<O> extends infer A ? (A extends { content: { "application/json": infer J } } ? J : undefined) : never;

export type Query<P extends PathOf<"get">> = Parameters<Operation<P, "get">, "query">;

interface Options<O> {
  path?: Parameters<O, "path">;
  query?: Parameters<O, "query">;
  body?: Body<O>;
  signal?: AbortSignal;
}

/** A problem that the server answered with, or that kept it from answering (status 0). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly requestId?: string,
  ) {
    super(detail);
  }
}

/** The address of an operation, relative to the page, so that a path prefix before both is kept. */
export function address<P extends keyof paths>(path: P, query: object = {}, values: object = {}): string {
  const filled = path.slice(1).replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String((values as Record<string, unknown>)[name])));
  const search = Object.entries(query as Record<string, unknown>)
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value]) => `${name}=${(Array.isArray(value) ? value : [value]).map((one) => encodeURIComponent(String(one)).replaceAll("%3A", ":")).join(",")}`);
  return search.length > 0 ? `${filled}?${search.join("&")}` : filled;
}

/** Sends a request and returns its answer, or a 304 that it asks for; what is neither is a Problem. */
export async function send(url: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new Problem(0, "The server does not answer. The page tries again as soon as it does.");
  }
  if (response.ok || response.status === 304) return response;
  if (response.status === 401) dispatchEvent(new Event("signin"));
  const id = response.headers.get("X-Request-Id") ?? undefined;
  const said = (await response.json().catch(() => ({}))) as Partial<Schemas["Problem"]>;
  throw new Problem(response.status, said.detail ?? `The server answered ${response.status}.`, said.request_id ?? id);
}

/** Calls an operation that answers JSON. */
export async function call<M extends Method, P extends PathOf<M>>(method: M, path: P, options: Options<Operation<P, M>> = {}): Promise<Answer<Operation<P, M>>> {
  const init: RequestInit = { method: method.toUpperCase(), headers: { Accept: "application/json" } };
  if (options.signal) init.signal = options.signal;
  if (options.body !== undefined) {
    init.body = JSON.stringify(options.body);
    init.headers = { Accept: "application/json", "Content-Type": "application/json" };
  }
  const response = await send(address(path, options.query, options.path), init);
  return (response.status === 204 ? undefined : await response.json()) as Answer<Operation<P, M>>;
}

export const get = <P extends PathOf<"get">>(path: P, query?: Query<P>, signal?: AbortSignal): Promise<Answer<Operation<P, "get">>> => {
  const options: Options<Operation<P, "get">> = {};
  if (query) options.query = query as Parameters<Operation<P, "get">, "query">;
  if (signal) options.signal = signal;
  return call("get", path, options);
};
