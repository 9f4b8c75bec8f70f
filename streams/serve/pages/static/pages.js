// What pages do when scripts run; without them they do the same by forms and links.
"use strict";

// Pause: what is on the screen stays. Going on shows what happened meanwhile.
let held = false;
document.addEventListener("click", (event) => {
  const button = event.target.closest("#pause[data-on]");
  if (!button) return;
  event.preventDefault();
  if (held) {
    location.reload();
    return;
  }
  held = true;
  button.textContent = button.dataset.off;
});
document.addEventListener("htmx:sse:before:message", (event) => {
  if (held && event.target.id === "decisions") event.preventDefault();
});
