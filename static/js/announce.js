// Tells screen readers when what is polled comes to say something else: once, and not every second.
document.addEventListener("htmx:after:swap", () => {
  const live = document.querySelector("[data-announce]");
  const said = document.querySelector("[data-said]")?.dataset.said ?? "";
  if (live.textContent !== said) live.textContent = said;
});
