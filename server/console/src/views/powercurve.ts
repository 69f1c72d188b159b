import { html } from "lit-html";
import type { Open } from "../main";

export const open: Open = () => ({ title: "powercurve", render: () => html`<h1>powercurve</h1>` });
