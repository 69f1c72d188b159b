import { html } from "lit-html";
import type { Open } from "../main";

export const open: Open = () => ({ title: "calendar", render: () => html`<h1>calendar</h1>` });
