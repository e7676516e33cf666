/* Finding a place: type a part of its name, pinyin, initials or code; arrow keys and Enter choose. Without scripts the words alone are sent. */
"use strict";

(() => {
  const PAUSE_MS = 180;
  const RESULTS_MAX = 8;

  function enhance(root) {
    const input = root.querySelector("input[type=text]");
    const list = root.querySelector("[role=listbox]");
    const code = root.querySelector("[data-place-code]");
    const chosen = root.querySelector(".place-chosen");
    let timer = 0;
    let asked = null;
    let at = -1;

    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-controls", list.id);

    const options = () => [...list.querySelectorAll("[role=option]")];

    function close() {
      list.hidden = true;
      at = -1;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    }

    function point(next) {
      const all = options();
      if (!all.length) return;
      at = (next + all.length) % all.length;
      all.forEach((option, place) => option.setAttribute("aria-selected", String(place === at)));
      all[at].scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", all[at].id);
    }

    function choose(option) {
      code.value = option.dataset.code;
      input.value = option.dataset.name;
      chosen.textContent = "✓ " + option.dataset.full + " (" + option.dataset.code + ")";
      close();
      root.dispatchEvent(new CustomEvent("place", { bubbles: true, detail: option.dataset.code }));
    }

    function show(places) {
      list.replaceChildren(
        ...places.map((place, number) => {
          const option = document.createElement("li");
          option.id = list.id + "-" + number;
          option.setAttribute("role", "option");
          option.setAttribute("aria-selected", "false");
          option.dataset.code = place.code;
          option.dataset.name = place.name;
          option.dataset.full = place.full_name || place.name;
          option.textContent = place.name;
          const where = document.createElement("small");
          where.textContent = (place.full_name || "") + " " + place.code;
          option.append(where);
          return option;
        }),
      );
      if (!places.length) {
        const note = document.createElement("li");
        note.className = "place-note";
        note.textContent = root.dataset.noPlace;
        list.append(note);
      }
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      list.scrollIntoView({ block: "nearest" });
      if (places.length) point(0);
    }

    async function search() {
      const text = input.value.trim();
      if (!text) return close();
      asked?.abort();
      asked = new AbortController();
      const mine = asked;
      try {
        const answer = await fetch("/v1/divisions?limit=" + RESULTS_MAX + "&q=" + encodeURIComponent(text), {
          headers: { Accept: "application/json" },
          signal: AbortSignal.any ? AbortSignal.any([mine.signal, AbortSignal.timeout(8000)]) : mine.signal,
        });
        if (answer.ok && mine === asked && document.activeElement === input) show((await answer.json()).items);
      } catch {
        /* A newer search took over, or the network is away: the words that were typed still count. */
      }
    }

    input.addEventListener("input", () => {
      if (code.value) {
        code.value = "";
        chosen.textContent = "";
        root.dispatchEvent(new CustomEvent("place", { bubbles: true, detail: "" }));
      }
      clearTimeout(timer);
      timer = setTimeout(search, PAUSE_MS);
    });
    input.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (list.hidden) search();
        else point(at + (event.key === "ArrowDown" ? 1 : -1));
      } else if (event.key === "Enter" && !list.hidden && at >= 0) {
        event.preventDefault();
        choose(options()[at]);
      } else if (event.key === "Escape" && !list.hidden) {
        event.preventDefault();
        close();
      }
    });
    input.addEventListener("blur", () => setTimeout(close, 150));
    list.addEventListener("mousedown", (event) => {
      const option = event.target.closest("[role=option]");
      if (!option) return;
      event.preventDefault();
      choose(option);
    });
  }

  window.tocsinPlaces = (root = document) => root.querySelectorAll("[data-place]").forEach(enhance);
  window.tocsinPlaces();
})();
