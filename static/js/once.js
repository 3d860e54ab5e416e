// <form data-once> is sent once, however often the button is pressed.
document.querySelectorAll("form[data-once]").forEach((form) => {
  form.addEventListener("submit", (event) => {
    if (form.dataset.once === "sent") event.preventDefault();
    form.dataset.once = "sent";
  });
  // Back from the next page, by the browser's own memory of this one.
  window.addEventListener("pageshow", () => { form.dataset.once = ""; });
});
