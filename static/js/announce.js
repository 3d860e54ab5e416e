// Tells screen readers when the polled status changes: once, not every second.
document.addEventListener("htmx:after:swap", () => {
  const live = document.querySelector("[data-announce]");
  const said = document.querySelector("[data-said]")?.dataset.said ?? "";
  if (live.textContent !== said) live.textContent = said;
});
