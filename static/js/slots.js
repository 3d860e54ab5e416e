// <div data-slots> holds the eight IP address fields. A button shows the empty ones; without this file, all are shown.
(() => {
  "use strict";
  const box = document.querySelector("[data-slots]");
  if (!box) return;
  const slots = [...box.children];
  const button = document.querySelector("[data-add-slot]");
  const isEmpty = (slot) => !slot.querySelector("input").value && !slot.querySelector(".usa-error-message");
  const waiting = () => slots.filter((slot) => slot.hidden);

  let lastFilled = 0;
  slots.forEach((slot, place) => { if (!isEmpty(slot)) lastFilled = place; });
  slots.forEach((slot, place) => { slot.hidden = place > lastFilled; });

  const showButton = () => { button.hidden = waiting().length === 0; };
  button.addEventListener("click", () => {
    const [next] = waiting();
    next.hidden = false;
    next.querySelector("input").focus();
    showButton();
  });
  showButton();
})();
