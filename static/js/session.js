// <dialog data-session>: opens 2 minutes before the session ends, lets the user extend it, and goes to the sign-in page
// when it ends. It asks the server, since the user may be active in another tab.
(() => {
  "use strict";
  const dialog = document.querySelector("[data-session]");
  if (!dialog) return;
  const WARNING_SECONDS = 120;
  let endsAt = 0;
  let timer = null;
  let wasClosed = false;

  const after = (seconds, act) => { window.clearTimeout(timer); timer = window.setTimeout(act, Math.max(seconds, 1) * 1000); };
  const part = (name) => dialog.querySelector(`[data-session-${name}]`);
  // Reload the page; the server redirects to the sign-in page.
  const leave = () => { window.location.assign(window.location.pathname + window.location.search); };

  const inWords = (seconds) => {
    const [count, unit] = seconds < 60 ? [seconds, "second"] : [Math.ceil(seconds / 60), "minute"];
    return `in ${count} ${unit}${count === 1 ? "" : "s"}`;
  };

  const ask = async (options) => {
    const answer = await fetch(dialog.dataset.sessionUrl, options);
    return answer.status === 401 ? { seconds: 0 } : answer.json();
  };

  const heed = ({ seconds, can_be_extended: canBeExtended }) => {
    endsAt = Date.now() + seconds * 1000;
    if (seconds <= 0) return leave();
    if (seconds > WARNING_SECONDS) {
      dialog.close();
      wasClosed = false;
      return after(seconds - WARNING_SECONDS, check);
    }
    part("idle").hidden = part("extend").hidden = !canBeExtended;
    part("end").hidden = part("close").hidden = canBeExtended;
    if (!dialog.open && !wasClosed) dialog.showModal();
    return tick();
  };

  const check = async () => {
    try {
      heed(await ask({ headers: { "X-Background": "1" } }));
    } catch {
      after(30, check); // the network is unavailable; the page stays as it is
    }
  };

  const tick = () => {
    const seconds = Math.round((endsAt - Date.now()) / 1000);
    if (seconds <= 0) return after(1, check);
    dialog.querySelectorAll("[data-session-left]").forEach((place) => { place.textContent = inWords(seconds); });
    return after(seconds > 60 ? seconds - 60 : Math.min(10, seconds), tick);
  };

  part("extend").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      heed(await ask({ method: "POST", body: new FormData(part("extend")) }));
    } catch {
      after(1, check);
    }
  });
  part("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { wasClosed = true; });

  after(Number(dialog.dataset.sessionSeconds) - WARNING_SECONDS, check);
})();
