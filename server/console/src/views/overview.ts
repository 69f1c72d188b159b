import { html } from "lit-html";
import type { Open } from "../main";

export const open: Open = () => ({ title: "overview", render: () => html`<h1>overview</h1>` });
