/* A field for a division code finds places by name, pinyin or code: `data-places` names its datalist. */
(() => {
  "use strict";
  const PAUSE_MS = 200;

  for (const field of document.querySelectorAll("input[data-places]")) {
    const list = document.getElementById(field.dataset.places);
    let timer = 0;
    field.addEventListener("input", () => {
      clearTimeout(timer);
      const text = field.value.trim();
      if (text.length < 2 || /^\d{12}$/.test(text)) return;
      timer = setTimeout(async () => {
        try {
          const answer = await fetch(`/v1/divisions?q=${encodeURIComponent(text)}`, { headers: { Accept: "application/json" } });
          const found = answer.ok ? (await answer.json()).items : [];
          list.replaceChildren(...found.map((one) => new Option(one.name, one.code)));
        } catch {
          list.replaceChildren();
        }
      }, PAUSE_MS);
    });
  }
})();
