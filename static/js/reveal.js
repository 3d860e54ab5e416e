// <button data-reveal="id-of-field" hidden>: shows a password as it is typed, and hides it again.
document.querySelectorAll("[data-reveal]").forEach((button) => {
  const field = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.addEventListener("click", () => {
    const isShown = field.type === "text";
    field.type = isShown ? "password" : "text";
    button.textContent = isShown ? "Show password" : "Hide password";
  });
  // A shown password is not for the browser's list of what was typed into text fields.
  field.form.addEventListener("submit", () => { field.type = "password"; });
});
