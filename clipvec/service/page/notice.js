// What the page says in place of pictures, and the question for the key.

import { hasKey, keepKey } from "./service.js";

const $ = (id) => document.getElementById(id);

/** Say something; a button is [its label, what a click does]. */
export function notice(title, text, ...buttons) {
  const [heading, paragraph] = [document.createElement("h2"), document.createElement("p")];
  heading.textContent = title;
  paragraph.textContent = text;
  const made = buttons.map(([label, click]) => {
    const button = document.createElement("button");
    button.textContent = label;
    button.onclick = click;
    return button;
  });
  $("notice").replaceChildren(heading, paragraph, ...made);
  $("notice").hidden = false;
}

/** `again`: what is done once the key is known. */
export function askKey(again) {
  const field = document.createElement("input");
  field.type = "password";
  field.setAttribute("aria-label", "API key");
  const enter = () => {
    keepKey(field.value.trim());
    again();
  };
  field.onkeydown = (event) => event.key === "Enter" && enter();
  const title = hasKey() ? "That key is wrong" : "A key is needed";
  notice(title, "This service answers those who have its API key.", ["Go on", enter]);
  $("notice").querySelector("button").before(field);
  field.focus();
}
