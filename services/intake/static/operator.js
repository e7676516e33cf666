/* The operator's form: keys for everything, a live preview of what the report will set in motion, and sending without leaving the page. */
"use strict";

(() => {
  const form = document.getElementById("operator");
  if (!form) return;
  const preview = document.getElementById("preview");
  const words = JSON.parse(preview.dataset.words);
  const children = form.querySelector("[data-children]");
  const failure = document.getElementById("failure");
  const PREVIEW_PAUSE_MS = 250;
  const CASE_TRIES_MAX = 20;

  /* What the form says, as the API wants it; empty fields are left out. */
  const text = (root, name) => root.querySelector(`[name="${CSS.escape(name)}"]`)?.value.trim() || undefined;
  const checked = (name) => form.querySelector(`[name="${CSS.escape(name)}"]:checked`)?.value;

  function child(root) {
    const age = text(root, "age");
    return {
      name: text(root, "name"),
      age: age === undefined ? undefined : Number(age),
      sex: text(root, "sex"),
      disability: text(root, "disability"),
      current_location: { division_code: text(root, "division_code"), address: text(root, "address") },
    };
  }

  function danger() {
    return Object.fromEntries([...form.querySelectorAll("[data-danger]")].map((row) => [row.dataset.danger, checked("danger-" + row.dataset.danger)]));
  }

  const situations = () => [...form.querySelectorAll("[name=situations]:checked")].map((box) => box.value);
  const rows = () => [...children.querySelectorAll("[data-child]")];

  function report() {
    const occurred = text(form, "occurred_at");
    const reporter = {};
    for (const field of form.querySelectorAll('[name^="reporter."]')) {
      if (field.value.trim()) reporter[field.name.slice("reporter.".length)] = field.value.trim();
    }
    return {
      channel: text(form, "channel"),
      language: document.documentElement.lang,
      situations: situations(),
      danger: danger(),
      children: rows().map(child),
      narrative: form.elements.narrative.value,
      occurred_at: occurred && new Date(occurred).toISOString(),
      police_report_ref: text(form, "police_report_ref"),
      reporter,
    };
  }

  /* The panel: what would happen if it were sent now. */
  function ageBand(age) {
    if (age === undefined || Number.isNaN(age)) return "unknown";
    return age < 8 ? "under_8" : age < 14 ? "8_13" : "14_17";
  }

  function element(name, content, attributes = {}) {
    const made = document.createElement(name);
    if (content !== undefined) made.textContent = content;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  /* Nothing runs before it is sent: the terms are said in whole minutes, and until when they would last. */
  const MINUTE_MS = 60000;
  const terms = (due) => window.tocsin.duration(Math.round((Date.parse(due) - window.tocsin.now()) / MINUTE_MS) * (MINUTE_MS / 1000));
  const clock = new Intl.DateTimeFormat(document.documentElement.lang.replace("en", "en-GB"), {
    timeZone: "Asia/Shanghai", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  });

  function showPreview(plan) {
    const grade = element("p");
    grade.append(element("span", words.grades[plan.grade] || plan.grade, { class: "badge grade-" + plan.grade }), " ", element("span", plan.grade_reason || ""));
    const told = element("ul", undefined, { class: "told" });
    for (const one of plan.told || []) {
      const line = element("li");
      line.append(element("span", words.tiers[one.tier] || one.tier || "", { class: "tier" }), " " + [one.division_name, one.post_title].filter(Boolean).join(" "));
      if (one.channel) line.append(" · " + (words.channels[one.channel] || one.channel));
      if (one.accountable) line.append(" ", element("span", words.accountable, { class: "state state-busy" }));
      told.append(line);
    }
    const facts = element("dl", undefined, { class: "facts" });
    for (const deadline of plan.deadlines || []) {
      const due = element("dd");
      due.append(element("strong", words.within.replace("{}", terms(deadline.due_at)), { class: "countdown" }), " ");
      due.append(element("time", clock.format(new Date(deadline.due_at)), { class: "muted nowrap", datetime: deadline.due_at }));
      facts.append(element("dt", words.steps[deadline.step] || deadline.step), due);
    }
    preview.replaceChildren(grade, element("h3", words.told), told, element("h3", words.deadlines), facts);
    document.getElementById("call-110").hidden = !(plan.grade === "I" || plan.grade === "II");
  }

  let timer = 0;
  let asked = null;

  async function refreshPreview() {
    const first = rows().map(child)[0];
    if (!first.current_location.division_code) {
      preview.replaceChildren(element("p", words.choose_place, { class: "muted" }));
      return;
    }
    asked?.abort();
    asked = new AbortController();
    const mine = asked;
    try {
      const answer = await fetch("/v1/policies/preview", {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify({
          division_code: first.current_location.division_code,
          situations: situations(),
          danger: danger(),
          age_bands: rows().map((row) => ageBand(child(row).age)),
        }),
        signal: mine.signal,
      });
      if (mine !== asked) return;
      if (!answer.ok) throw new Error(String(answer.status));
      showPreview(await answer.json());
    } catch (error) {
      if (error.name !== "AbortError") preview.replaceChildren(element("p", words.preview_failed, { class: "muted" }));
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(refreshPreview, PREVIEW_PAUSE_MS);
  }

  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  form.addEventListener("place", soon);

  /* Keys. Letters and digits count only where nothing is typed. */
  const typing = (target) => target.closest?.("textarea, select, input:not([type=checkbox]):not([type=radio])");

  function answer(row, value) {
    const radio = row.querySelector(`input[value="${value}"]`);
    radio.checked = true;
    radio.dispatchEvent(new Event("change", { bubbles: true }));
    const following = row.nextElementSibling?.matches("[data-danger]") ? row.nextElementSibling : null;
    (following?.querySelector("input:checked") || radio).focus();
  }

  document.addEventListener("keydown", (event) => {
    if (form.hidden || event.isComposing || event.ctrlKey || event.metaKey) return;
    if (event.altKey) {
      if (event.code === "KeyP") jump(event, rows()[0].querySelector("[role=combobox], input[type=text]"));
      if (event.code === "KeyQ") jump(event, form.querySelector("[data-danger] input:checked"));
      return;
    }
    if (typing(event.target)) return;
    const row = event.target.closest?.("[data-danger]");
    const said = { y: "yes", n: "no", u: "unknown" }[event.key.toLowerCase()];
    if (row && said) {
      event.preventDefault();
      answer(row, said);
      return;
    }
    const box = form.querySelector(`[data-situation-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (!box) return;
    event.preventDefault();
    box.click();
    box.focus();
  });

  function jump(event, target) {
    event.preventDefault();
    target?.focus();
  }

  /* Children come and go. */
  function renumber() {
    rows().forEach((row, place) => {
      const number = String(place + 1);
      row.querySelector("[data-child-title]").textContent = words.child.replace("{}", number);
      const remove = row.querySelector("[data-remove-child]");
      remove.hidden = rows().length === 1;
      remove.textContent = words.remove_child.replace("{}", number);
    });
  }

  let made = 1;
  document.getElementById("add-child").addEventListener("click", () => {
    if (rows().length >= Number(form.dataset.childrenMax)) return;
    made += 1;
    const holder = document.createElement("div");
    const source = document.getElementById("child-template").content.firstElementChild.cloneNode(true);
    holder.append(source);
    for (const one of holder.querySelectorAll("[id], [for], [aria-describedby]")) {
      for (const name of ["id", "for", "aria-describedby"]) {
        if (one.hasAttribute(name)) one.setAttribute(name, one.getAttribute(name).replaceAll("{}", String(made)));
      }
    }
    // Brothers and sisters are usually in the same place.
    const before = rows().at(-1);
    for (const name of ["place", "division_code", "address"]) {
      source.querySelector(`[name="${name}"]`).value = before.querySelector(`[name="${name}"]`).value;
    }
    source.querySelector(".place-chosen").textContent = before.querySelector(".place-chosen").textContent;
    window.tocsinPlaces(holder);
    children.append(source);
    renumber();
    source.querySelector('[name="name"]').focus();
    soon();
  });
  children.addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove-child]");
    if (!button || rows().length === 1) return;
    button.closest("[data-child]").remove();
    renumber();
    document.getElementById("add-child").focus();
    soon();
  });

  /* Sending. What is wrong comes back at its field; what was typed stays. */
  function fieldOf(path) {
    const inChild = /^children\[(\d+)\]\.(.+)$/.exec(path);
    if (inChild) {
      const names = { "current_location.division_code": "place", "current_location.address": "address" };
      return rows()[Number(inChild[1])]?.querySelector(`[name="${CSS.escape(names[inChild[2]] || inChild[2])}"]`);
    }
    return form.querySelector(`[name="${CSS.escape(path)}"]`);
  }

  function clearErrors() {
    failure.hidden = true;
    for (const wrong of form.querySelectorAll(".wrong")) {
      wrong.classList.remove("wrong");
      wrong.querySelector("[aria-invalid]")?.removeAttribute("aria-invalid");
      const said = wrong.querySelector(".error");
      if (said) said.hidden = true;
    }
  }

  function mark(input, detail) {
    const field = input.closest(".field, .choices");
    if (!field) return false;
    field.classList.add("wrong");
    input.setAttribute("aria-invalid", "true");
    let said = field.querySelector(".error");
    if (!said) {
      said = element("p", "", { class: "error", id: input.id + "-error" });
      input.before(said);
      input.setAttribute("aria-describedby", ((input.getAttribute("aria-describedby") || "") + " " + said.id).trim());
    }
    said.textContent = detail;
    said.hidden = false;
    return true;
  }

  function showErrors(problem) {
    const list = failure.querySelector("ul");
    const errors = problem.errors?.length ? problem.errors : [{ field: "", detail: problem.detail || words.send_failed }];
    list.replaceChildren();
    for (const error of errors) {
      const input = fieldOf(error.field);
      const named = input && input.closest(".field")?.querySelector("label")?.firstChild.textContent.trim();
      if (input) mark(input, error.detail);
      const line = element("li");
      const name = named || error.field;
      if (name) line.append(element("strong", name), " ");
      line.append(error.detail);
      list.append(line);
    }
    failure.querySelector("h2").textContent = problem.errors?.length ? words.look_again : problem.title || words.send_failed;
    failure.hidden = false;
    failure.focus();
  }

  async function linkCase(reportId) {
    const place = document.getElementById("case-link");
    place.textContent = words.opening_case;
    for (let tries = 0; tries < CASE_TRIES_MAX; tries += 1) {
      try {
        const answer = await fetch("/v1/cases?report_id=" + encodeURIComponent(reportId), { headers: { Accept: "application/json" } });
        const found = answer.ok ? (await answer.json()).items : [];
        if (found.length) {
          place.replaceChildren(element("a", words.open_case, { class: "button", href: "/cases/" + found[0].case_id, "data-key": "Alt+o" }));
          return;
        }
      } catch {
        /* The next try may do better. */
      }
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    place.textContent = words.no_case_yet;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy")) return;
    form.setAttribute("aria-busy", "true");
    clearErrors();
    try {
      // The same key until it has arrived: a lost answer and a second click make no second report.
      const answer = await fetch("/report", {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json", "Idempotency-Key": form.dataset.idempotencyKey },
        body: JSON.stringify(report()),
        signal: AbortSignal.timeout(20000),
      });
      const said = await answer.json();
      if (answer.ok) {
        form.hidden = true;
        document.getElementById("receipt").textContent = said.receipt;
        const sent = document.getElementById("sent");
        sent.hidden = false;
        sent.focus();
        linkCase(said.report_id);
      } else {
        showErrors(said);
      }
    } catch {
      showErrors({ detail: words.send_failed });
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
})();
