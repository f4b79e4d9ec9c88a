// The pages are complete without this: it keeps them current and adds keys, copying, pointing.
"use strict";
(() => {
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const by = id => document.getElementById(id);
  const on = (name, does, to = document) => to.addEventListener(name, does);
  const body = document.body, root = document.documentElement;
  const lamp = by("live");
  const active = () => document.activeElement;
  const make = (name, className, textContent = "") => Object.assign(document.createElement(name), { className, textContent });
  const clock = ms => new Date(ms).toISOString().slice(11, 19) + " UTC";
  const say = text => { by("status").textContent = text; };
  const remember = (name, value) => { document.cookie = `${name}=${value};path=/;max-age=31536000;samesite=strict`; };

  // One stream, closed while the tab is hidden or the reader said pause.

  let stream = null, retry = 0, late = 0;
  let paused = lamp.dataset.state === "paused";
  let skew = Date.now() - Number(body.dataset.now);
  const newest = new Map(), behind = new Set();

  function shine(state) {
    lamp.dataset.state = state;
    $(".word", lamp).textContent = { live: "live", paused: "paused", lost: "reconnecting", off: "not live" }[state];
    $("button", lamp).textContent = paused ? "Resume" : "Pause";
  }

  function open() {
    clearTimeout(retry);
    if (stream || paused || document.hidden || !body.dataset.events) return;
    stream = new EventSource(body.dataset.events);
    stream.onopen = () => shine("live");
    stream.onerror = () => {
      // A stream that comes back at once is none of the reader's business.
      clearTimeout(late);
      late = setTimeout(() => { if (!paused && (!stream || stream.readyState !== 1)) shine("lost"); }, 1500);
      if (stream.readyState === 2) { close(); retry = setTimeout(open, 10000); }
    };
    on("patch", event => {
      const { at, regions } = JSON.parse(event.data);
      skew = Date.now() - at;
      for (const [id, html] of Object.entries(regions)) {
        // A region comes with its rows.
        for (const row of newest.keys()) if (by(id)?.contains(by(row)) || html.includes(`<tr id="${row}"`)) newest.delete(row);
        newest.set(id, html);
        apply(id);
      }
      tick();
    }, stream);
  }

  function close() { stream?.close(); stream = null; }

  function pause(stop) {
    paused = stop;
    remember("live", stop ? "off" : "on");
    if (stop) close(); else open();
    shine(stop ? "paused" : "live");
    say(stop ? "Paused: nothing moves." : "Live again.");
  }

  on("visibilitychange", () => { if (document.hidden) close(); else open(); });
  on("pagehide", close, window);
  on("pageshow", open, window);

  // A region becomes what the server says it is, and nothing else moves.

  function apply(id, eager) {
    const region = by(id), html = newest.get(id);
    if (!region || html === undefined) return;
    if (busy(region)) { behind.add(id); return; }
    behind.delete(id);
    const fresh = region.cloneNode(false);
    fresh.innerHTML = html;
    let added = 0;
    for (const rows of $$("tbody[id]", region)) {
      const next = $("#" + rows.id, fresh);
      if (next && !eager && (rows.hasAttribute("data-hold") || touched(rows))) added += keepOrder(rows, next);
    }
    // What is under the pointer stays there, and the focus where it was, or near.
    const focused = active(), held = $$(":hover").pop(), top = held && topOf(held);
    children(region, fresh);
    if (held?.isConnected) scrollBy(0, topOf(held) - top);
    const next = focused.disabled ? by("main") : focused;
    if (next !== active() && next.isConnected) next.focus({ preventScroll: true });
    for (const row of $$("tr[id]", region)) if (newest.has(row.id)) apply(row.id);
    const bar = by("fresh-" + id);
    if (bar) {
      bar.hidden = !added;
      bar.textContent = `Show ${added < 50 ? added : "the"} new`;
    }
  }

  const topOf = node => node.getBoundingClientRect().top;

  // Somebody selects text or types: not now.
  const fields = "textarea, select, input:not([type=checkbox])";
  function busy(region) {
    const selection = getSelection(), focused = active();
    if (!selection.isCollapsed && region.contains(selection.anchorNode)) return true;
    return region.contains(focused) && focused.matches(fields);
  }

  const touched = rows => rows.matches(":hover, :focus-within") || !!$("input:checked", rows);

  // Rows stay where they are, new ones are counted, those that went are dimmed.
  function keepOrder(rows, next) {
    const coming = new Map([...next.children].map(row => [row.id, row]));
    const kept = [...rows.children].map(row => coming.get(row.id) ?? row.cloneNode(true));
    for (const row of kept) if (!coming.delete(row.id)) row.classList.add("gone");
    if (coming.size) for (const row of kept) row.classList.remove("gone");
    next.replaceChildren(...kept);
    return coming.size;
  }

  const ours = (node, name) => name === "open" || (name === "hidden" && node.matches(".fresh"));

  function morph(old, fresh) {
    if (old.nodeType !== 1) { if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue; return; }
    if (old.isEqualNode(fresh)) return;
    for (const { name, value } of [...fresh.attributes])
      if (old.getAttribute(name) !== value && !ours(old, name)) old.setAttribute(name, value);
    for (const { name } of [...old.attributes])
      if (!fresh.hasAttribute(name) && !ours(old, name)) old.removeAttribute(name);
    children(old, fresh);
  }

  // A form's own id is hidden by a field of that name.
  const idOf = node => node.getAttribute?.("id");

  function children(old, fresh) {
    const named = new Map([...old.children].map(child => [idOf(child), child]));
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const id = idOf(next), same = id ? named.get(id) : at && !idOf(at) && at.nodeName === next.nodeName && at;
      if (!same) { old.insertBefore(next, at); continue; }
      if (same === at) at = at.nextSibling; else old.insertBefore(same, at);
      morph(same, next);
    }
    while (at) { const gone = at; at = at.nextSibling; gone.remove(); }
  }

  on("mouseout", event => {
    const rows = event.target.closest?.("tbody[id]");
    if (!rows || rows.contains(event.relatedTarget)) return;
    const region = rows.closest("[data-live]");
    if (region && !paused) setTimeout(() => apply(region.id));
  });

  function ago(ms, isAhead) {
    const s = Math.max(0, Math.floor((Date.now() - skew - ms) / (isAhead ? -1000 : 1000)));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
  }

  function tick() {
    if (paused || document.hidden) return;
    for (const id of behind) apply(id);
    for (const time of $$("time[data-ms]")) {
      const text = ago(Number(time.dataset.ms), time.dataset.until !== undefined);
      if (time.textContent !== text) time.textContent = text;
    }
    if (stream) $(".clock", lamp).textContent = clock(Date.now() - skew);
  }
  setInterval(tick, 1000);

  let anchor = null;
  on("click", event => {
    const box = event.target;
    if (!box.matches?.("input[type=checkbox]") || !box.form) return;
    const boxes = $$("input[name=id]", box.form);
    if (box.matches("[data-all]")) for (const other of boxes) other.checked = box.checked;
    if (event.shiftKey && anchor && boxes.includes(anchor)) {
      const [from, to] = [boxes.indexOf(anchor), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const other of boxes.slice(from, to + 1)) other.checked = box.checked;
    }
    if (boxes.includes(box)) anchor = box;
    const chosen = $("[data-chosen]", box.form);
    if (chosen) chosen.textContent = `${boxes.filter(other => other.checked).length} selected`;
  });

  // Plain HTTP has no clipboard; copying a selection works everywhere.
  function copy(text, button) {
    const area = make("textarea", "");
    area.value = text;
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
    const word = button.textContent;
    button.textContent = "Copied";
    say("Copied.");
    setTimeout(() => { button.textContent = word; }, 1500);
  }

  const themes = ["auto", "light", "dark"];
  function paint(theme) {
    root.dataset.theme = theme;
    for (const button of $$(".theme button")) button.setAttribute("aria-pressed", button.value === theme);
    remember("theme", theme);
  }

  on("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-copy]")) copy(button.dataset.copy || $("pre", button.parentElement).textContent, button);
    else if (button.matches(".fresh")) apply(button.id.slice(6), true);
    else if (button.matches("[data-help]")) help.showModal();
    else if (button.closest(".theme")) { event.preventDefault(); paint(button.value); }
    else if (button.closest("#live")) { event.preventDefault(); pause(!paused); }
  });

  const help = by("help");
  root.classList.add("scripted");
  const wanted = by("keys");
  wanted.checked = localStorage.getItem("keys") !== "off";
  on("change", () => localStorage.setItem("keys", wanted.checked ? "on" : "off"), wanted);

  function step(by) {
    const rows = $$("main tbody tr").filter(row => $("a", row));
    const at = rows.indexOf(active().closest("tr"));
    const row = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))];
    if (!row) return;
    $("th a, a", row).focus();
    row.scrollIntoView({ block: "nearest" });
  }

  let going = 0;
  on("keydown", event => {
    const typing = event.target.matches(fields);
    if (event.key === "Escape" && typing) return event.target.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !wanted.checked || help.open) return;
    if (Date.now() - going < 1500) {
      going = 0;
      const place = $(`.places [data-key="${CSS.escape(event.key)}"]`);
      if (place) { event.preventDefault(); location.assign(place.href); }
      return;
    }
    const keys = {
      "/": () => by("search").focus(),
      g: () => { going = Date.now(); },
      j: () => step(1),
      k: () => step(-1),
      x: () => active().closest("tr")?.querySelector("input[name=id]")?.click(),
      p: () => pause(!paused),
      t: () => paint(themes[(themes.indexOf(root.dataset.theme) + 1) % 3]),
      "?": () => help.showModal(),
    };
    if (Object.hasOwn(keys, event.key)) { event.preventDefault(); keys[event.key](); }
  });

  const units = {
    time: us => us < 1000 ? `${us} µs` : us < 1e6 ? `${+(us / 1e3).toPrecision(3)} ms` : `${+(us / 1e6).toPrecision(3)} s`,
    rate: n => `${n}/s`,
    count: n => n.toLocaleString("en"),
  };

  function point(event) {
    const area = event.target.closest?.(".area");
    for (const old of $$(".cursor, .tip")) if (old.parentElement !== area) old.remove();
    if (!area) return;
    const { at, step, unit, values } = area.dataset, box = area.getBoundingClientRect();
    const series = values.split(";").map(line => line.split(",")), last = series[0].length - 1;
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)), index = Math.round(share * last);
    const cursor = $(".cursor", area) ?? area.appendChild(make("i", "cursor"));
    const tip = $(".tip", area) ?? area.appendChild(make("div", "tip"));
    cursor.style.left = tip.style.left = `${index / last * 100}%`;
    tip.style.translate = share < .5 ? "8px" : "calc(-100% - 8px)";
    const names = $$(".legend .is", area.closest("figure")).map(name => name.textContent);
    const rows = [clock(Number(at) + index * step), ...series.map((line, n) =>
      `${names[n]}: ${line[index] === "" ? "–" : units[unit](Number(line[index]))}`)];
    tip.replaceChildren(...rows.map(text => make("div", "", text)));
  }
  on("pointermove", point);

  shine(paused ? "paused" : body.dataset.events ? "live" : "off");
  open();
})();
