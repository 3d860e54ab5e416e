// <form data-once> is sent only once, even if the button is pressed several times.
document.querySelectorAll("form[data-once]").forEach((form) => {
  form.addEventListener("submit", (event) => {
    if (form.dataset.once === "sent") event.preventDefault();
    form.dataset.once = "sent";
  });
  // Allow sending again when the user comes back to the page from the browser's cache.
  window.addEventListener("pageshow", () => { form.dataset.once = ""; });
});
