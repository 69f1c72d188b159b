import { html } from "lit-html";
import type { Open } from "../main";

export const open: Open = () => ({ title: "runs", render: () => html`<h1>runs</h1>` });
