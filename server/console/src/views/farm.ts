import { html } from "lit-html";
import type { Open } from "../main";

export const open: Open = () => ({ title: "farm", render: () => html`<h1>farm</h1>` });
