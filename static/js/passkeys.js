// <form data-passkey="create|get" hidden>: asks the browser for a passkey before it is sent, and puts the answer into
// the field "credential". What to ask stands in the JSON element that data-passkey-options names, or comes from
// data-passkey-url. Where there are no passkeys the form stays hidden, and what is marked data-passkey-impossible shown.
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
      // One that can sign in alone, where the device can do that; a second step anyhow.
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
    NotAllowedError: "No passkey was used: it was called off, or took too long. Try again, or choose another way.",
    InvalidStateError: "This device has a passkey for your account already.",
    SecurityError: "Passkeys do not work at this address of Claimsgate. Ask the operators.",
  })[error.name] ?? `The passkey could not be used (${error.name}). Try again, or choose another way.`;

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
