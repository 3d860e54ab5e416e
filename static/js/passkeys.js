// <form data-passkey="create|get" hidden>: asks the browser for a passkey before the form is sent, and puts the
// response into the field "credential". The options are in the JSON element that data-passkey-options names, or come from
// data-passkey-url. Without passkey support the form stays hidden, and [data-passkey-impossible] stays visible.
(() => {
  "use strict";
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
  const toText = (bytes) => bytes && btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const withBytes = (descriptors) => (descriptors ?? []).map((each) => ({ ...each, id: toBytes(each.id) }));

  const create = ({ publicKey }) => navigator.credentials.create({
    publicKey: {
      ...publicKey,
      challenge: toBytes(publicKey.challenge),
      user: { ...publicKey.user, id: toBytes(publicKey.user.id) },
      excludeCredentials: withBytes(publicKey.excludeCredentials),
      // A passkey that can replace the password if the device supports it; otherwise for two-factor authentication.
      authenticatorSelection: { residentKey: "preferred", requireResidentKey: false, userVerification: "preferred" },
    },
  });

  const get = ({ publicKey }) => navigator.credentials.get({
    publicKey: {
      ...publicKey,
      challenge: toBytes(publicKey.challenge),
      allowCredentials: withBytes(publicKey.allowCredentials),
    },
  });

  const asJson = (credential) => JSON.stringify({
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: {
      clientDataJSON: toText(credential.response.clientDataJSON),
      attestationObject: toText(credential.response.attestationObject),
      authenticatorData: toText(credential.response.authenticatorData),
      signature: toText(credential.response.signature),
      userHandle: toText(credential.response.userHandle),
      transports: credential.response.getTransports?.(),
    },
  });

  const inWords = (error) => ({
    NotAllowedError: "You weren’t verified: the passkey request was cancelled or timed out. Try again, or use another method.",
    InvalidStateError: "This device already has a passkey for your account. Use another device.",
    SecurityError: "Passkeys don’t work with this URL of Claimsgate. Ask the Claimsgate operators.",
  })[error.name] ?? `The passkey didn’t work (${error.name}). Try again, or use another method.`;

  document.querySelectorAll("[data-passkey-impossible]").forEach((note) => { note.hidden = true; });
  document.querySelectorAll("form[data-passkey]").forEach((form) => {
    form.hidden = false;
    const complaint = form.querySelector("[data-passkey-error]");
    let isBusy = false;

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (isBusy) return;
      isBusy = true;
      complaint.textContent = "";
      try {
        const { passkey, passkeyOptions, passkeyUrl } = form.dataset;
        const options = passkeyUrl
          ? await (await fetch(passkeyUrl)).json()
          : JSON.parse(document.getElementById(passkeyOptions).textContent);
        form.elements.credential.value = asJson(await (passkey === "create" ? create(options) : get(options)));
        form.submit();
      } catch (error) {
        complaint.textContent = inWords(error);
      }
      isBusy = false;
    });
  });
})();
