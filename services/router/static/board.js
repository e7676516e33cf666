/* Keeps the board up to date: rows come rendered from the server, are put where they belong, and leave when they do not belong any more. */
"use strict";

(() => {
  const table = document.querySelector("table[data-stream]");
  if (!table) return;
  const rows = document.getElementById("rows");
  const empty = document.getElementById("empty");
  const live = document.getElementById("live");
  const FRESH_MS = 2500;

  function parse(html) {
    const template = document.createElement("template");
    template.innerHTML = html.trim();
    return template.content.firstElementChild;
  }

  function place(row) {
    const next = [...rows.children].find((other) => other.dataset.order > row.dataset.order);
    rows.insertBefore(row, next || null);
  }

  function update({ id, html }) {
    const old = document.getElementById(`case-${id}`);
    const focused = old && old.contains(document.activeElement);
    if (!html) {
      old?.remove();
      return;
    }
    const row = parse(html);
    old?.remove();
    place(row);
    row.classList.add("fresh");
    setTimeout(() => row.classList.remove("fresh"), FRESH_MS);
    if (focused) row.querySelector("a")?.focus();
  }

  function say(text, kind) {
    live.textContent = text;
    live.className = `state state-${kind}`;
  }

  window.tocsin.stream(table.dataset.stream, {
    open: () => say(live.dataset.on, "ok"),
    lost: () => say(live.dataset.off, "bad"),
    rows: (news) => {
      news.rows.forEach(update);
      for (const [name, value] of Object.entries(news.figures)) {
        const figure = document.querySelector(`[data-figure="${CSS.escape(name)}"]`);
        if (!figure) continue;
        figure.textContent = value;
        figure.closest(".figure").classList.toggle("some", value > 0);
      }
      empty.hidden = rows.children.length > 0;
      window.tocsin.refresh(rows);
    },
  });
})();
