// Moves the focus to the list of problems, so that screen readers start there.
document.querySelector("[data-error-summary]")?.focus();
