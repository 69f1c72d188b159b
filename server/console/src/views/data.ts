import { html } from "lit-html";
import type { Open } from "../main";

export const open: Open = () => ({ title: "data", render: () => html`<h1>data</h1>` });
