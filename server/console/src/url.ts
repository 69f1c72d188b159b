// What is seen is in the address: a link is a view.
import type { View } from "./main";
import { addDays, dayOf } from "./time";

/** The parameters of the page's address. */
export function parameters(): URLSearchParams {
  return new URLSearchParams(location.search);
}

type Values = Record<string, string | number | boolean | undefined>;

function apply(to: URLSearchParams, values: Values): string {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === "" || value === false) to.delete(name);
    else to.set(name, String(value));
  }
  const text = to.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%2F", "/");
  return text === "" ? "./" : `?${text}`;
}

/** The address of a view; the time zone goes along, as it is chosen once. */
export function linkTo(view: View, values: Values = {}): string {
  const zone = parameters().get("tz") ?? undefined;
  return apply(new URLSearchParams(), { view: view === "overview" ? undefined : view, tz: zone, ...values });
}

/** The address of the calendar about a day, which is selected. */
export function linkToDays(day: string): string {
  const to = [addDays(day, 60), dayOf()].sort()[0]!;
  return linkTo("calendar", { from: addDays(day, -60), to: to < day ? day : to, select: day });
}

/** Changes parameters of the view that is shown; undefined removes one. */
export function change(values: Values, replace = false): void {
  go(apply(parameters(), values), replace);
}

/** Shows another address of the page. */
export function go(href: string, replace = false): void {
  if (new URL(href, location.href).href === location.href) return;
  history[replace ? "replaceState" : "pushState"](null, "", href);
  dispatchEvent(new Event("addresschange"));
}
