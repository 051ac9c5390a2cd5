// What the staff pages do more comfortably with script. Every page works without it.

import { enhanceFinders } from "./finder.js";
import { keepLive } from "./live.js";
import { enhanceLock } from "./lock.js";
import { enhancePreview } from "./preview.js";

document.documentElement.classList.add("js");

// The account menu closes by Escape and by a click elsewhere.
for (const menu of document.querySelectorAll("[data-menu]")) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

// A link to a folded action opens it.
function unfold() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  const fold = target && target.closest("details");
  if (fold) fold.open = true;
}
addEventListener("hashchange", unfold);
unfold();

// A second click on the same button sends nothing. The page lives again when somebody comes back to it, and
// after a while when it is still there: sending was stopped, or the network was gone.
const ANSWERED = 15_000;
addEventListener("submit", (event) => {
  const form = event.target;
  if (form.target || form.method !== "post") return;
  if (Date.now() - form.dataset.sent < ANSWERED) event.preventDefault();
  else form.dataset.sent = Date.now();
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

for (const form of document.querySelectorAll("form[data-preview]")) enhancePreview(form);
enhanceFinders();

const followed = document.querySelector("[data-follow]");
if (followed) keepLive(followed, document.querySelector("[data-live-mark]"));
enhanceLock();
