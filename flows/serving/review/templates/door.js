// Tells the code in the printed address, which lets in one browser. It stands after the #, so that it is in no log.
const code = location.hash.slice(1);
if (code) {
  history.replaceState(null, "", location.pathname);
  const form = document.getElementById("door");
  form.elements.code.value = code;
  form.submit();
}
