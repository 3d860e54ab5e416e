// Brings the list of problems to whoever sent the form: by focus, so that a screen reader begins there.
document.querySelector("[data-error-summary]")?.focus();
