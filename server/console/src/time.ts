// Instants as they are shown: in UTC, or in the zone that the address names. A day is
// always one of UTC, as the partitions are.
import { parameters } from "./url";

let checked = { name: "UTC", zone: "UTC" };

/** The time zone that is chosen, "UTC" if none or an unknown one is. */
export function zone(): string {
  const name = parameters().get("tz") ?? "UTC";
  if (name !== checked.name) {
    try {
      new Intl.DateTimeFormat("en", { timeZone: name });
      checked = { name, zone: name };
    } catch {
      checked = { name, zone: "UTC" };
    }
  }
  return checked.zone;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone() + JSON.stringify(options);
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat("sv-SE", { timeZone: zone(), ...options });
    formats.set(key, found);
  }
  return found;
}

/** 2025-01-02 03:04, in the chosen zone. */
export function instant(at: string | number | Date, seconds = false): string {
  const parts: Intl.DateTimeFormatOptions = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" };
  if (seconds) parts.second = "2-digit";
  return format(parts).format(new Date(at));
}

/** 03:04:05, in the chosen zone. */
export function clock(at: string | number | Date): string {
  return format({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(at));
}

/** 1 h 5 min, 3.2 s, for a number of seconds. */
export function duration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const parts = [[Math.floor(whole / 86_400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]] as const;
  const first = parts.findIndex(([count]) => count > 0);
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

const millisecondsOfDay = 86_400_000;

/** The day so many days after another. */
export function addDays(day: string, days: number): string {
  return new Date(Date.parse(day) + days * millisecondsOfDay).toISOString().slice(0, 10);
}

/** The number of days from one to another. */
export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / millisecondsOfDay);
}

/** The day of an instant, or today. */
export function dayOf(at: string | number | Date = new Date()): string {
  return new Date(at).toISOString().slice(0, 10);
}
