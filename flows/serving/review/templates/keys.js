// The keys of the page, and a draft of the note that outlives a closed tab. Everything is kept by the server.
(() => {
  "use strict";
  const form = document.getElementById("label");
  const note = document.getElementById("note");
  const votes = document.getElementById("votes");
  const draft = `tercet-note/${form.dataset.draft}`;
  let isSent = false;

  const written = note.value;
  const kept = localStorage.getItem(draft);
  if (kept !== null && !document.querySelector('[role="alert"]')) note.value = kept;
  note.addEventListener("input", () => {
    if (note.value === written) localStorage.removeItem(draft);
    else localStorage.setItem(draft, note.value);
  });
  form.addEventListener("submit", (event) => {
    if (isSent) event.preventDefault();
    isSent = true;
    localStorage.removeItem(draft);
  });
  // A page that a browser brings back from its memory may be out of date.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target === note) {
      if (event.key === "Escape") note.blur();
      return;
    }
    if (event.repeat) return; // a key that is held down labels one question
    // Where another script is written, or digits need Shift, the place of the key says which one is meant.
    const typed = event.key.toLowerCase();
    const place = event.shiftKey ? "" : event.code.replace(/^(Key|Digit|Numpad)/, "").toLowerCase();
    const key = /^[a-z0-9]$/.test(typed) ? typed : place;
    if (key === "n") note.focus();
    else if (key === "v") votes.open = !votes.open;
    else if (/^[1-9su]$/.test(key)) {
      const button = document.querySelector(`[data-key="${key}"]`);
      if (!button || isSent) return;
      button.click();
    } else return;
    event.preventDefault();
    if (key === "v" && votes.open) votes.scrollIntoView({ block: "nearest" });
  });
})();
