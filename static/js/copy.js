// <button data-copy="#id-of-element" hidden>: shown if copying is supported; copies the element's text and says so.
(() => {
  "use strict";
  if (!navigator.clipboard) return;

  document.querySelectorAll("[data-copy]").forEach((button) => {
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.querySelector(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent.trim());
        button.textContent = "Copied";
      } catch {
        window.getSelection().selectAllChildren(source);
        button.textContent = "Selected: press Ctrl+C or ⌘C";
      }
      document.querySelector("[data-announce]")?.replaceChildren(button.textContent);
      window.setTimeout(() => { button.textContent = label; }, 4000);
    });
  });
})();
