/* The virtual phones: asks for what is new, shows the most recently active phone first, sends answers. */
"use strict";

(() => {
  const board = document.getElementById("phones");
  const live = document.getElementById("live");
  const count = document.getElementById("count");
  const empty = document.getElementById("empty");
  const search = document.getElementById("q");
  const words = JSON.parse(board.dataset.words);
  const base = board.dataset.base;
  const pollMs = Number(board.dataset.pollMs);
  const shownMax = 48;
  const cards = new Map();
  let seen = 0;
  let asked = "";
  let first = true;

  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  /* In the zone that the SMS speak of, whatever the browser's is; with the day when it is not today. */
  function clock(at) {
    const zone = { timeZone: board.dataset.zone };
    const then = new Date(at);
    const day = (when) => when.toLocaleDateString(document.documentElement.lang, { ...zone, month: "numeric", day: "numeric" });
    const time = then.toLocaleTimeString(document.documentElement.lang, { ...zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
    return day(then) === day(new Date(window.tocsin.now())) ? time : `${day(then)} ${time}`;
  }

  function bubble(message) {
    const item = make("li", "bubble" + (message.incoming ? "" : " out"), message.body);
    const dead = message.status === "undelivered" || message.status === "failed";
    item.classList.toggle("dead", dead);
    const note = message.incoming ? (message.status === "delivered" ? "" : words[message.status] || message.status) : words.you;
    const time = make("time", "", [clock(message.at), note, dead ? message.error_code || "" : ""].filter(Boolean).join(" · "));
    time.dateTime = message.at;
    item.append(time);
    return item;
  }

  function card(phone) {
    const made = make("article", "phone");
    made.dataset.number = phone.number;
    const id = "p" + phone.number.replace(/\D/g, "");
    made.setAttribute("aria-labelledby", id);
    const name = make("h2", "phone-name", phone.name || words.unknown);
    name.id = id;
    name.append(make("small", "", [phone.post_title, phone.number].filter(Boolean).join(" · ")));
    const inbox = make("ol", "inbox");
    inbox.tabIndex = 0;
    inbox.setAttribute("role", "log");
    inbox.setAttribute("aria-labelledby", id);
    const form = make("form", "answer");
    const one = make("button", "button", "1");
    const two = make("button", "button", "2");
    const text = make("input");
    const send = make("button", "button primary send", words.send);
    one.type = two.type = "button";
    one.title = words.one;
    two.title = words.two;
    one.setAttribute("aria-label", words.one);
    two.setAttribute("aria-label", words.two);
    text.setAttribute("aria-label", words.reply);
    text.placeholder = words.reply;
    text.maxLength = 160;
    text.autocomplete = "off";
    form.append(one, two, text, send);
    const problem = make("p", "problem");
    problem.setAttribute("role", "alert");
    const panel = make("section", "call");
    panel.hidden = true;
    panel.setAttribute("aria-live", "polite");
    panel.setAttribute("aria-labelledby", id);
    made.append(name, panel, inbox, form, problem);
    const answer = (body) => reply(made, body, problem).then((taken) => { if (taken && body === text.value) text.value = ""; });
    one.addEventListener("click", () => answer("1"));
    two.addEventListener("click", () => answer("2"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (text.value.trim()) answer(text.value);
    });
    return made;
  }

  async function reply(phone, body, problem) {
    problem.textContent = "";
    try {
      const answer = await fetch(`${base}/messages/${phone.dataset.sid}/reply`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify({ body }),
        signal: AbortSignal.timeout(15000),
      });
      if (!answer.ok) throw new Error(answer.status);
      await look();
      return true;
    } catch {
      problem.textContent = words.answerFailed;
      return false;
    }
  }

  /* A call: what was said, and what one can do. Drawn anew only when it has changed, so that no button vanishes under a finger. */
  function line(shown, call) {
    const panel = shown.querySelector(".call");
    const drawn = call ? JSON.stringify([call.sid, call.status, call.said, call.listens]) : "";
    if (panel.dataset.drawn === drawn) return;
    panel.dataset.drawn = drawn;
    panel.hidden = !call;
    panel.classList.toggle("rings", Boolean(call) && call.status === "ringing");
    if (!call) { panel.replaceChildren(); return; }
    const act = (what, body) => async () => {
      const problem = shown.querySelector(".problem");
      problem.textContent = "";
      try {
        const answer = await fetch(`${base}/calls/${call.sid}/${what}`, {
          method: "POST",
          headers: { "Content-Type": "application/json", Accept: "application/json" },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(15000),
        });
        if (!answer.ok) throw new Error(answer.status);
        await look();
      } catch {
        problem.textContent = words.callFailed;
      }
    };
    const button = (text, className, what, body) => {
      const made = make("button", className, text);
      made.type = "button";
      made.addEventListener("click", act(what, body));
      return made;
    };
    const said = make("div", "said");
    for (const sentence of call.said) said.append(make("p", "", sentence));
    const keys = make("div", "keys");
    if (call.status === "ringing") {
      keys.append(button(words.take, "button primary", "answer", { by: "human" }), button(words.machine, "button", "answer", { by: "machine" }), button(words.refuse, "button", "hangup", {}));
    } else {
      for (const digit of ["1", "2", "3", "#"]) {
        const key = button(digit, "button", "keys", { digits: digit });
        key.disabled = !call.listens;
        keys.append(key);
      }
      keys.append(button(words.hangUp, "button", "hangup", {}));
    }
    panel.replaceChildren(make("p", "call-state", call.status === "ringing" ? words.rings : words.talking), said, keys);
    said.scrollTop = said.scrollHeight;
  }

  function show(phone) {
    let shown = cards.get(phone.number);
    if (!shown) {
      shown = card(phone);
      cards.set(phone.number, shown);
    }
    const inbox = shown.querySelector(".inbox");
    const atEnd = inbox.scrollHeight - inbox.scrollTop - inbox.clientHeight < 40;
    inbox.replaceChildren(...(phone.messages.length ? phone.messages.map(bubble) : [make("li", "muted", words.nothing)]));
    line(shown, phone.call);
    const last = phone.messages.filter((message) => message.incoming).at(-1);
    shown.dataset.sid = last ? last.sid : "";
    for (const control of shown.querySelectorAll(".answer button, .answer input")) control.disabled = !last;
    if (atEnd || !shown.isConnected) requestAnimationFrame(() => { inbox.scrollTop = inbox.scrollHeight; });
    return shown;
  }

  /* A phone that somebody is typing on stays where it is: moving it would take the focus away. */
  function place(shown) {
    const busy = shown.contains(document.activeElement);
    if (!shown.isConnected || (board.firstElementChild !== shown && !busy)) board.prepend(shown);
    if (!first) {
      shown.classList.add("fresh");
      setTimeout(() => shown.classList.remove("fresh"), 2500);
    }
  }

  function trim() {
    while (board.children.length > shownMax) {
      const last = board.lastElementChild;
      if (last.contains(document.activeElement)) break;
      cards.delete(last.dataset.number);
      last.remove();
    }
    count.textContent = words.count.replace("{}", board.children.length);
    empty.hidden = board.children.length > 0;
    empty.textContent = words.none;
  }

  async function look() {
    const query = search.value.trim();
    if (query !== asked) {
      asked = query;
      seen = 0;
      first = true;
      cards.clear();
      board.replaceChildren();
    }
    const parameters = new URLSearchParams({ q: asked, since: seen, limit: shownMax });
    const answer = await fetch(`${base}/phones?${parameters}`, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.status);
    const news = await answer.json();
    if (query !== asked) return;
    for (const phone of [...news.items].reverse()) place(show(phone));
    seen = Math.max(seen, news.seen);
    first = false;
    if (news.items.length || !count.textContent) trim();
  }

  function state(text, kind) {
    if (live.textContent !== text) live.textContent = text;
    live.className = "state state-" + kind;
  }

  async function forever() {
    for (;;) {
      try {
        await look();
        state(words.live, "ok");
      } catch {
        state(words.lost, "bad");
      }
      await new Promise((resolve) => { setTimeout(resolve, document.hidden ? 3000 : pollMs); });
    }
  }

  let typing;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => look().catch(() => {}), 200);
  });
  document.getElementById("search").addEventListener("submit", (event) => { event.preventDefault(); look().catch(() => {}); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look().catch(() => {}); });
  search.value = new URLSearchParams(location.search).get("q") || "";
  forever();
})();
