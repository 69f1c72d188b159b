import { html } from "lit-html";
import { Calendar } from "../calendar";
import type { Open } from "../main";

export const open: Open = (context) => {
  const calendar = new Calendar(context);
  return {
    title: "Calendar",
    render: () => html`<h1>Calendar</h1>${calendar.chooser()}${calendar.render()}`,
    moved: () => calendar.moved(),
  };
};
