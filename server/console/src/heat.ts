// Heat maps as tables: a cell's colour shows its value, and the value stands in it. One
// cell is in the tab order; arrow keys move among them.
import { html, type TemplateResult } from "lit-html";

export interface HeatCell {
  text: string; // what is seen
  label: string; // what is read out, and shown by the pointer
  share: number | undefined; // from 0 to 1; undefined where there is nothing
  href?: string;
}

export interface Heat {
  label: string;
  corner: string;
  columns: string[];
  rows: { name: string; cells: HeatCell[] }[];
  /** Whether the share fills the cell from below, as a completeness does, or colours all of it. */
  fills: boolean;
}

/** A heat map. After it is in the document, colorHeat has to be called. */
export function heat({ label, corner, columns, rows, fills }: Heat): TemplateResult {
  return html`<div class="scroll heat-map"><table class="heat ${fills ? "fills" : ""}" aria-label=${label} @keydown=${walk}>
    <thead><tr><th scope="col">${corner}</th>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>${rows.map(({ name, cells }, y) => html`<tr><th scope="row">${name}</th>${cells.map(
      ({ text, label: said, share, href }, x) => html`<td data-share=${share ?? "none"} title=${said}>${
        href ? html`<a href=${href} tabindex=${x + y === 0 ? 0 : -1}><span aria-hidden="true">${text}</span><span class="visually-hidden">${said}</span></a>`
        : html`<span tabindex=${x + y === 0 ? 0 : -1}><span aria-hidden="true">${text}</span><span class="visually-hidden">${said}</span></span>`}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

/** Colours the cells of the heat maps that are shown; styles in markup are forbidden. */
export function colorHeat(): void {
  for (const cell of document.querySelectorAll<HTMLElement>("td[data-share]")) {
    const share = Number(cell.dataset["share"]);
    cell.style.setProperty("--share", Number.isNaN(share) ? "0%" : `${(100 * share).toFixed(1)}%`);
  }
}

function walk(event: KeyboardEvent): void {
  const table = event.currentTarget as HTMLTableElement;
  const cell = (event.target as Element).closest("td");
  const row = cell?.parentElement as HTMLTableRowElement | undefined;
  if (!cell || !row || event.ctrlKey || event.metaKey || event.altKey) return;
  const [x, y] = [cell.cellIndex, row.rowIndex];
  const last = row.cells.length - 1;
  const to: Record<string, [number, number]> = { ArrowRight: [x + 1, y], ArrowLeft: [x - 1, y], ArrowDown: [x, y + 1], ArrowUp: [x, y - 1], Home: [1, y], End: [last, y] };
  const at = to[event.key];
  if (!at) return;
  event.preventDefault();
  const next = table.rows[at[1]]?.cells[at[0]]?.querySelector<HTMLElement>("[tabindex]");
  if (!next) return;
  for (const one of table.querySelectorAll<HTMLElement>('td [tabindex="0"]')) one.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}
