import { html } from "lit-html";
import type { Open } from "../main";

export const open: Open = () => ({ title: "distribution", render: () => html`<h1>distribution</h1>` });
