// The shop works without this file. With it, a form that is sent twice makes one guest.

// One key for each time that a page is shown: the server gives the same guest to all who bring it.
function renewKeys() {
  // Browsers offer randomUUID on https and on localhost only; without a key everything still works.
  const key = crypto.randomUUID ? crypto.randomUUID() : "";
  for (const field of document.querySelectorAll("input[name=idempotency_key]")) field.value = key;
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
}

renewKeys();
// Back and forward may show the page as it was left.
window.addEventListener("pageshow", (event) => event.persisted && renewKeys());

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  // Signing in renews the CSRF token, also for the tabs that were opened before.
  const cookie = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
  if (cookie && form.csrfmiddlewaretoken) form.csrfmiddlewaretoken.value = cookie[1];
});
