import { html } from "lit-html";
import type { Open } from "../main";

export const open: Open = () => ({ title: "day", render: () => html`<h1>day</h1>` });
