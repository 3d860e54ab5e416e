// <button data-reveal="id-of-field" hidden>: shows or hides the password.
document.querySelectorAll("[data-reveal]").forEach((button) => {
  const field = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.addEventListener("click", () => {
    const isShown = field.type === "text";
    field.type = isShown ? "password" : "text";
    button.textContent = isShown ? "Show password" : "Hide password";
  });
  // Hide it, so that the browser doesn't remember it as text.
  field.form.addEventListener("submit", () => { field.type = "password"; });
});
