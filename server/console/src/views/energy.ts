import { html } from "lit-html";
import type { Open } from "../main";

export const open: Open = () => ({ title: "energy", render: () => html`<h1>energy</h1>` });
