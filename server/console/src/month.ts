// A row of the calendar, a month, and its cells.
import type { Partition } from "./api";

/** The same day so many months later, or the last one of that month. */
export function sameDay(day: string, months: number): string {
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  const last = new Date(Date.UTC(year, month + months, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 + months, Math.min(date, last))).toISOString().slice(0, 10);
}

/** Whether samples of the day are missing. */
export function incomplete(day: Partition): boolean {
  return day.samples !== undefined && day.expected !== undefined && day.samples < day.expected;
}

/** A month without days. */
export function blankRow(): HTMLTableRowElement {
  const row = document.createElement("tr");
  row.setAttribute("role", "row");
  const month = document.createElement("th");
  month.scope = "row";
  month.setAttribute("role", "rowheader");
  row.append(month);
  for (let n = 1; n <= 31; n++) {
    const cell = row.insertCell();
    cell.setAttribute("role", "gridcell");
    cell.className = "none";
  }
  return row;
}

const fullest = 85; // percent, of a day that is not complete, so that it can be told from one that is

/** Makes a cell one of a day. */
export function draw(cell: HTMLTableCellElement, day: Partition): void {
  cell.dataset["state"] = day.state;
  let label = `${day.day} ${day.state}`;
  if (day.samples !== undefined && day.expected !== undefined) {
    label += `, ${day.samples} of ${day.expected} samples`;
    const share = day.expected > 0 ? day.samples / day.expected : 1;
    cell.style.setProperty("--fill", `${share < 1 ? Math.min(fullest, Math.round(share * 100)) : 100}%`);
  } else cell.style.removeProperty("--fill");
  if (day.warnings > 0) label += `, ${day.warnings} warnings`;
  cell.classList.toggle("warned", day.warnings > 0);
  cell.classList.toggle("incomplete", incomplete(day));
  cell.setAttribute("aria-label", label);
}
