// What the page can do besides being read: sort and download tables, download plots, explain terms, filter questions,
// show where one is. It adds every control itself, so a page without scripts has none that do nothing. It asks no
// network for anything, and puts no text of the page back into it as markup.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const words = (element) => element.textContent.replace(/\s+/g, " ").trim();
  const slug = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_+|_+$/g, "").slice(0, 60) || "table";

  // Downloads: a file that the page makes itself.
  const save = (name, type, text) => {
    const address = URL.createObjectURL(new Blob([text], { type }));
    const link = make("a", { href: address, download: name, hidden: true });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  };
  const stem = (element, title) => (element.dataset.file || "").replace(/\.\w+$/, "") || slug(title);

  // Tables.
  const NUMBER = /^[<≈]?\s*([-−+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)/i;
  const UNKNOWN = new Set(["", "—", "–", "-", "?"]);
  const numberOf = (text) => {
    const found = NUMBER.exec(text);
    return found ? Number(found[1].replace("−", "-").replaceAll(",", "")) : null;
  };
  const isNumeric = (texts) => texts.every((text) => UNKNOWN.has(text) || numberOf(text) !== null);
  const order = new Intl.Collator("en", { numeric: true });

  const sort = (table, head, at) => {
    const isDown = head.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, text: words(row.cells[at]) }));
    const known = rows.filter((one) => !UNKNOWN.has(one.text));
    const numeric = isNumeric(known.map((one) => one.text));
    const compare = (a, b) => (numeric ? numberOf(a.text) - numberOf(b.text) : order.compare(a.text, b.text));
    known.sort((a, b) => (isDown ? -1 : 1) * compare(a, b));
    body.append(...known.map((one) => one.row), ...rows.filter((one) => UNKNOWN.has(one.text)).map((one) => one.row));
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
  };

  // A spreadsheet runs what begins with one of these signs as a formula; a number, also with its interval, stays one.
  const PLAIN = /^[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?: ?%)?(?: \[-?\d+\.\d+, -?\d+\.\d+\])?$/i;
  const harmless = (text) => (/^[=+\-@\t\r]/.test(text) && !PLAIN.test(text) ? `'${text}` : text);
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const csv = (table) => {
    const lines = [...table.rows].map((row) => [...row.cells].map(words));
    if (table.dataset.more) lines.push([table.dataset.more]); // the page does not hold all rows
    return lines.map((line) => `${line.map((text) => quoted(harmless(text))).join(",")}\r\n`).join("");
  };

  const tools = (before, label, name, action) => {
    const button = make("button", { type: "button", className: "tool" }, label, make("span", { className: "hidden" }, ` of ${name}`));
    button.addEventListener("click", action);
    before.before(make("p", { className: "tools" }, button));
  };

  for (const table of all("main table")) {
    if (!table.tHead || !table.tBodies.length) continue;
    const title = table.caption ? words(table.caption) : "table";
    tools(table.closest(".scroll") || table, "Download CSV", title, () =>
      save(`${stem(table, title)}.csv`, "text/csv;charset=utf-8", csv(table)));
    if (table.tBodies[0].rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((head, at) => {
      const button = make("button", { type: "button", className: "sort" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, head, at));
    });
  }

  // Plots.
  for (const figure of all("main figure")) {
    const svg = figure.querySelector("svg");
    if (!svg) continue;
    const title = words(svg.querySelector("title") || svg);
    tools(figure.firstElementChild, "Download SVG", title, () =>
      save(`${stem(figure, title)}.svg`, "image/svg+xml", new XMLSerializer().serializeToString(svg)));
  }

  // Terms: the first of each in a section shows what it means, on focus, under the mouse and by a click.
  const ORDINARY = ["document", "question", "label", "context", "run", "look", "session", "batch", "store", "experiment"];
  const meanings = new Map(all("#glossary dt").map((term) => [words(term).toLowerCase(), words(term.nextElementSibling)]));
  ORDINARY.forEach((word) => meanings.delete(word));
  if (meanings.size) {
    const tip = make("div", { id: "tip", className: "tip", hidden: true });
    tip.setAttribute("role", "tooltip");
    document.body.append(tip);
    const hide = () => { tip.hidden = true; };
    const show = (button) => {
      tip.textContent = meanings.get(words(button).toLowerCase().replace(/s$/, "")) || meanings.get(words(button).toLowerCase());
      tip.hidden = false;
      const place = button.getBoundingClientRect();
      const left = Math.max(8, Math.min(place.left, document.documentElement.clientWidth - tip.offsetWidth - 8));
      const above = place.top - tip.offsetHeight - 6;
      tip.style.left = `${left + scrollX}px`;
      tip.style.top = `${(above > 60 ? above : place.bottom + 6) + scrollY}px`;
    };
    const longest = [...meanings.keys()].sort((a, b) => b.length - a.length);
    const escaped = longest.map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const pattern = new RegExp(`(?<![\\p{L}\\p{N}-])(?:${escaped.join("|")})s?(?![\\p{L}\\p{N}-])`, "giu");
    for (const section of all("main > section:not(#glossary):not(#questions)")) {
      const seen = new Set();
      for (const block of all("p, li", section)) {
        if (block.closest(".example, .question, .tools, blockquote, summary")) continue;
        const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT, (node) =>
          node.parentElement.closest("a, button, code, svg, summary") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
        const nodes = [];
        while (walker.nextNode()) nodes.push(walker.currentNode);
        for (const node of nodes) {
          const parts = [];
          let end = 0;
          for (const found of node.data.matchAll(pattern)) {
            const term = found[0].toLowerCase();
            const key = meanings.has(term) ? term : term.replace(/s$/, "");
            if (seen.has(key)) continue;
            seen.add(key);
            const button = make("button", { type: "button", className: "term" }, found[0]);
            button.setAttribute("aria-describedby", "tip");
            for (const event of ["focus", "mouseenter", "click"]) button.addEventListener(event, () => show(button));
            for (const event of ["blur", "mouseleave"]) button.addEventListener(event, hide);
            parts.push(node.data.slice(end, found.index), button);
            end = found.index + found[0].length;
          }
          if (parts.length) node.replaceWith(...parts, node.data.slice(end));
        }
      }
    }
    addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
    addEventListener("scroll", () => {
      const active = document.activeElement;
      if (!tip.hidden && active && active.matches("button.term")) show(active);
      else hide();
    }, { passive: true });
  }

  // Questions.
  for (const list of all(".questions")) {
    const questions = all(".question", list).map((element) => ({
      element, kinds: element.dataset.kinds.split(" "), text: words(element).toLowerCase(),
    }));
    const search = make("input", { type: "search", id: "question-search", autocomplete: "off" });
    const label = make("label", { htmlFor: "question-search" }, "Search in questions, labels and readers");
    const count = make("p", { className: "count" });
    count.setAttribute("role", "status");
    const boxes = JSON.parse(list.dataset.kinds).map(([kind, name, n]) => {
      const box = make("input", { type: "checkbox", value: kind });
      return { box, label: make("label", {}, box, ` ${name} (${n})`) };
    });
    const filter = () => {
      const wanted = boxes.filter((one) => one.box.checked).map((one) => one.box.value);
      const text = search.value.trim().toLowerCase();
      let shown = 0;
      for (const one of questions) {
        const is = wanted.every((kind) => one.kinds.includes(kind)) && one.text.includes(text);
        one.element.hidden = !is;
        shown += is;
      }
      count.textContent = `${shown} of ${questions.length} questions`;
    };
    const kinds = make("fieldset", {}, make("legend", {}, "Only those that are"), ...boxes.map((one) => one.label));
    list.prepend(make("div", { className: "filters" }, label, search, ...(boxes.length ? [kinds] : []), count));
    search.addEventListener("input", filter);
    boxes.forEach((one) => one.box.addEventListener("change", filter));
    filter();
  }

  // Contents: where one is; and a link into a folded part opens it.
  const open = (target) => {
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    const folded = target && target.querySelector(":scope > details");
    if (folded && target.tagName === "SECTION") folded.open = true;
  };
  const follow = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    open(target);
    target.scrollIntoView();
  };
  addEventListener("hashchange", follow);
  follow();
  const links = new Map(all("nav a[href^='#']").map((link) => [link.hash.slice(1), link]));
  const inView = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) inView[entry.isIntersecting ? "add" : "delete"](entry.target);
    const first = all("main > section").find((section) => inView.has(section));
    for (const [id, link] of links) {
      if (first && id === first.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const current = first && links.get(first.id);
    const bar = current && current.closest("ul");
    if (bar && bar.scrollWidth > bar.clientWidth) bar.scrollLeft = current.offsetLeft - bar.offsetLeft - 16;
  }, { rootMargin: "-60px 0px -50% 0px" });
  all("main > section").forEach((section) => watcher.observe(section));

  // Print: everything that is folded opens, except what would fill pages.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])").filter((one) => !one.closest(".long, .questions"));
    opened.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));
})();
