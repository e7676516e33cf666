/* What all pages share. Behaviour is asked for by attributes, so that pages carry no script of their own:

   data-due="ISO"        counts down to a deadline, then up; adds the class `overdue`            (ui.countdown)
   data-at="ISO"         counts how long ago something was                                       (ui.ago)
   data-confirm="text"   on a form or button: asks before it goes on
   data-copy="#id"       copies the text of that element
   data-key="Alt+s"      presses or focuses the element; without a modifier only outside of fields
   data-show-when="a=b"  hides the element unless the field named a has the value b (or is checked with it)
   data-focus            is focused when the page opens
   data-print            prints the page

   Forms are sent once: their buttons rest until the page changes. For scripts of rooms there is `window.tocsin`:
   now(), duration(seconds), refresh(root), stream(url, {event: handler, ...}) and swap(element, url). */
"use strict";

(() => {
  const said = document.documentElement.dataset;
  const serverTime = document.querySelector('meta[name="server-time"]');
  const offset = serverTime ? Date.parse(serverTime.content) - Date.now() : 0;
  const now = () => Date.now() + offset;

  const UNITS = [["D", 86400], ["H", 3600], ["Min", 60], ["S", 1]];

  /* The two largest units, as libs.i18n.format_duration writes them. */
  function duration(seconds) {
    let left = Math.round(Math.abs(seconds));
    const parts = [];
    for (const [unit, size] of UNITS) {
      const count = Math.floor(left / size);
      left %= size;
      if (count || (size === 1 && !parts.length)) parts.push((said["unit" + unit] || "{}").replace("{}", count));
      if (parts.length === 2 || (parts.length && !count)) break;
    }
    return parts.join(document.documentElement.lang.startsWith("zh") ? "" : " ");
  }

  function show(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function refresh(root = document) {
    for (const element of root.querySelectorAll("[data-due]")) {
      const left = (Date.parse(element.dataset.due) - now()) / 1000;
      element.classList.toggle("overdue", left < 0);
      element.classList.toggle("soon", left >= 0 && left < 300);
      show(element, (left < 0 ? said.overdue : said.left).replace("{}", duration(left)));
    }
    for (const element of root.querySelectorAll("[data-at]")) {
      show(element, said.ago.replace("{}", duration(Math.max(0, (now() - Date.parse(element.dataset.at)) / 1000))));
    }
  }

  function showWhen(root = document) {
    for (const element of root.querySelectorAll("[data-show-when]")) {
      const [name, wanted] = element.dataset.showWhen.split("=");
      const form = element.closest("form") || document;
      const fields = [...form.querySelectorAll(`[name="${CSS.escape(name)}"]`)];
      element.hidden = !fields.some((f) => (f.type === "radio" || f.type === "checkbox" ? f.checked : true) && f.value === wanted);
    }
  }

  function pressed(event) {
    const modifiers = [["Control", event.ctrlKey], ["Alt", event.altKey], ["Meta", event.metaKey]].filter(([, on]) => on).map(([name]) => name);
    // With Alt some keyboards type another letter; the physical key says which one was meant.
    const letter = /^(Key|Digit)(.)$/.exec(event.code);
    return [...modifiers, modifiers.length && letter ? letter[2].toLowerCase() : event.key].join("+");
  }

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented) return;
    const key = pressed(event);
    const writing = event.target.closest && event.target.closest("input, textarea, select, [contenteditable]");
    if (writing && !key.includes("+")) return;
    const element = [...document.querySelectorAll("[data-key]")].find((candidate) => candidate.dataset.key === key && candidate.offsetParent);
    if (!element) return;
    event.preventDefault();
    element.focus();
    if (element.matches("a, button, summary, input[type=checkbox], input[type=radio]")) element.click();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-confirm], [data-copy], [data-print]");
    if (!button || button.tagName === "FORM") return;
    if (button.dataset.confirm && !window.confirm(button.dataset.confirm)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (button.dataset.copy && navigator.clipboard) {
      navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim()).then(() => button.classList.add("done"));
    }
    if (button.hasAttribute("data-print")) window.print();
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
      event.preventDefault();
      return;
    }
    // After the other listeners: one of them may send the form itself, and the pressed button's value must still be sent.
    setTimeout(() => {
      if (event.defaultPrevented || form.method === "get") return;
      form.setAttribute("aria-busy", "true");
      for (const button of form.querySelectorAll("button[type=submit], button:not([type])")) button.disabled = true;
    });
  });

  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[aria-busy]")) {
      form.removeAttribute("aria-busy");
      for (const button of form.querySelectorAll("button")) button.disabled = false;
    }
  });

  document.addEventListener("input", () => showWhen());

  /* News from the server. The browser reconnects by itself; `open` and `lost` tell the page how things stand. */
  function stream(url, handlers) {
    const source = new EventSource(url);
    for (const [name, handler] of Object.entries(handlers)) {
      if (name === "open") source.addEventListener("open", handler);
      else if (name === "lost") source.addEventListener("error", handler);
      else source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
    }
    return source;
  }

  /* Replaces the inside of an element by what `url` answers, and keeps the focus where it was. */
  async function swap(element, url) {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
    if (!answer.ok) return false;
    const focused = document.activeElement && element.contains(document.activeElement) ? document.activeElement.id : "";
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    element.replaceChildren(...parsed.body.childNodes);
    if (focused) document.getElementById(focused)?.focus();
    refresh(element);
    return true;
  }

  window.tocsin = { now, duration, refresh, stream, swap };

  refresh();
  showWhen();
  document.querySelector("[data-focus]")?.focus();
  document.querySelector(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  setInterval(() => refresh(), 1000);
})();
