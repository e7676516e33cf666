/* The case page: its timeline from the ledger, and the search for a place. */
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
    if (words.bad.includes(noun)) item.classList.add("bad");
    if (words.good.includes(noun)) item.classList.add("ok");
    if (words.details.includes(noun)) item.classList.add("detail");
    const at = new Date(one.at);
    const shown = new Intl.DateTimeFormat(document.documentElement.lang.replace("en", "en-GB"), {
      timeZone: timeline.dataset.zone, month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
    }).format(at);
    const when = element("div", undefined, { class: "when" });
    when.append(element("time", shown, { datetime: one.at }));
    if (one.lag_s !== null && one.lag_s >= LAG_MIN_S) when.append(element("span", "+" + window.tocsin.duration(one.lag_s), { class: "lag" }));
    item.append(when, element("strong", words.events[noun] || noun));
    const detail = one.detail || {};
    if (one.tier) item.append(" ", element("span", words.tiers[one.tier] || one.tier, { class: "tier" }));
    for (const name of ["department", "step", "purpose", "reason", "household", "option", "result"]) {
      const code = detail[name];
      if (code) item.append(" · " + (words[name]?.[code] || code));
    }
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
  document.getElementById("every-line")?.addEventListener("change", (event) => timeline.classList.toggle("brief", !event.target.checked));

  /* The place: names and pinyin are searched, the code is sent. */
  function search(place) {
    const places = document.getElementById(place.getAttribute("list"));
    let timer = 0;
    place.addEventListener("input", () => {
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
  }
  document.querySelectorAll('input[name="division_code"][list]').forEach(search);
})();
