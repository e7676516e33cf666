/* The case page: its timeline from the ledger, reports on request, and the search for a place. */
"use strict";

(() => {
  const LAG_MIN_S = 1;
  const SEARCH_PAUSE_MS = 200;

  function element(name, content, attributes = {}) {
    const made = document.createElement(name);
    if (content !== undefined) made.textContent = content;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  async function get(url) {
    const answer = await fetch(url, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10000) });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail || String(answer.status));
    return body;
  }

  /* The timeline. */
  const timeline = document.getElementById("timeline");

  function line(one, words) {
    const item = element("li");
    const noun = one.event_type.replace(/^tocsin\./, "").replace(/\.v\d+$/, "");
    if (words.bad.includes(noun)) item.className = "bad";
    if (words.good.includes(noun)) item.className = "ok";
    const at = new Date(one.at);
    const shown = new Intl.DateTimeFormat(document.documentElement.lang, {
      timeZone: timeline.dataset.zone, month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false,
    }).format(at);
    item.append(element("time", shown, { datetime: one.at }), " ", element("strong", words.events[noun] || noun));
    const detail = one.detail || {};
    if (one.tier) item.append(" ", element("span", words.tiers[one.tier] || one.tier, { class: "tier" }));
    for (const name of ["step", "purpose", "reason", "result"]) {
      const code = detail[name];
      if (code) item.append(" · " + (words[name]?.[code] || code));
    }
    if (one.lag_s !== null && one.lag_s >= LAG_MIN_S) item.append(element("span", "+" + window.tocsin.duration(one.lag_s), { class: "lag" }));
    return item;
  }

  async function loadTimeline() {
    const words = JSON.parse(timeline.dataset.words);
    try {
      const items = [];
      let next = "";
      do {
        const page = await get(`/v1/cases/${timeline.dataset.case}/timeline?limit=200${next ? "&cursor=" + encodeURIComponent(next) : ""}`);
        items.push(...page.items);
        next = page.next;
      } while (next && items.length < 2000);
      timeline.replaceChildren(...items.map((one) => line(one, words)));
      if (!items.length) timeline.replaceChildren(element("li", words.nothing, { class: "muted" }));
    } catch (error) {
      timeline.replaceChildren(element("li", error.message, { class: "bad" }));
    }
  }

  if (timeline) loadTimeline();

  /* Reports: only when asked for, since each reading is recorded. */
  function facts(value) {
    if (Array.isArray(value)) {
      const list = element("ul");
      for (const one of value) {
        const item = element("li");
        item.append(facts(one));
        list.append(item);
      }
      return list;
    }
    if (value !== null && typeof value === "object") {
      const list = element("dl", undefined, { class: "facts" });
      for (const [name, inner] of Object.entries(value)) {
        if (inner === null || inner === "" || (Array.isArray(inner) && !inner.length)) continue;
        const shown = element("dd");
        shown.append(facts(inner));
        list.append(element("dt", name.replaceAll("_", " ")), shown);
      }
      return list;
    }
    return document.createTextNode(String(value));
  }

  for (const button of document.querySelectorAll("[data-open-report]")) {
    button.addEventListener("click", async () => {
      const box = button.closest("[data-report]");
      const target = box.querySelector("div");
      button.disabled = true;
      try {
        const report = await get(`/v1/reports/${box.dataset.report}/content?purpose=case_work`);
        target.replaceChildren(facts({ ...report.content, reporter: report.reporter }));
        button.hidden = true;
      } catch (error) {
        target.replaceChildren(element("p", box.dataset.failed.replace("{}", error.message), { class: "error" }));
        button.disabled = false;
      }
    });
  }

  /* The place: names and pinyin are searched, the code is sent. */
  const place = document.getElementById("f-division_code");
  const places = document.getElementById("places");
  let timer = 0;
  place?.addEventListener("input", () => {
    clearTimeout(timer);
    const text = place.value.trim();
    if (text.length < 2 || /^\d{12}$/.test(text)) return;
    timer = setTimeout(async () => {
      try {
        const found = await get(`/v1/divisions?q=${encodeURIComponent(text)}`);
        places.replaceChildren(...found.items.map((one) => element("option", one.name, { value: one.code })));
      } catch {
        places.replaceChildren();
      }
    }, SEARCH_PAUSE_MS);
  });
})();
