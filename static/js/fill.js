// <button data-fill="#field" data-value="…" hidden> puts the value into the field.
document.querySelectorAll("[data-fill]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => {
    const field = document.querySelector(button.dataset.fill);
    field.value = button.dataset.value;
    field.focus();
  });
});
