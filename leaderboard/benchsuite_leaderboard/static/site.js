// Sorting, filtering and copying. The tables are complete without this file.
"use strict";

(function () {
  // --- The address keeps what a table shows: "#place&filter=text&sort=column:direction" is a permalink to that view.
  function readAddress() {
    const [place, ...settings] = decodeURIComponent(location.hash.slice(1)).split("&");
    const found = { place, views: {} };
    for (const setting of settings) {
      const [key, ...rest] = setting.split("=");
      const [what, table] = key.split("@");
      (found.views[table || place] ||= {})[what] = rest.join("=");
    }
    return found;
  }

  function writeAddress() {
    const settings = [];
    for (const table of document.querySelectorAll("table.sortable[id]")) {
      const filter = (table.dataset.filter || "").replaceAll("&", " ");
      if (filter) settings.push(`filter@${table.id}=${filter}`);
      if (table.dataset.sort) settings.push(`sort@${table.id}=${table.dataset.sort}`);
    }
    const place = readAddress().place;
    const hash = settings.length || place ? `#${[place, ...settings].map(encodeURIComponent).join("&")}` : "";
    // Browsers let a page that is a file change nothing else of its own address.
    try { history.replaceState(null, "", hash || location.pathname); } catch { /* the view works without its address */ }
  }

  // --- Sort by a column: each <tbody> is one row with its notes, and moves as a whole. Empty values stay last.
  function cellOf(body, column) {
    return body.rows[0].cells[column];
  }

  function comparer(column, kind, direction) {
    return function (a, b) {
      const [x, y] = [a, b].map((body) => {
        const cell = cellOf(body, column);
        const value = cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
        if (value === "") return null;
        return kind === "number" ? Number(value) : value;
      });
      if (x === null || y === null) return (x === null) - (y === null);
      return direction * (kind === "number" ? x - y : x.localeCompare(y, "en"));
    };
  }

  function sortBy(table, column, direction) {
    const headings = [...table.tHead.rows[0].cells];
    if (!headings[column]) return;
    headings.forEach((other) => other.setAttribute("aria-sort", "none"));
    headings[column].setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const bodies = [...table.tBodies];
    bodies.sort(comparer(column, headings[column].dataset.kind, direction));
    table.append(...bodies);
    table.dataset.sort = `${column}:${direction > 0 ? "up" : "down"}`;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      heading.querySelector("button").addEventListener("click", () => {
        sortBy(table, column, heading.getAttribute("aria-sort") === "ascending" ? -1 : 1);
        writeAddress();
      });
    });
  }

  // --- Filter: a row stays if every word stands somewhere in its first line.
  function filterBy(table, text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const body of table.tBodies) {
      const found = (body.rows[0].dataset.words ||= body.rows[0].textContent.toLowerCase());
      body.hidden = !words.every((word) => found.includes(word));
      shown += !body.hidden;
    }
    table.dataset.filter = text.trim();
    const count = document.querySelector(`[data-counts="${table.id}"]`);
    if (count) count.textContent = words.length ? `${shown} of ${table.tBodies.length}` : "";
  }

  for (const field of document.querySelectorAll("input[data-filters]")) {
    const table = document.getElementById(field.dataset.filters);
    field.closest("label").hidden = false;
    field.addEventListener("input", () => {
      filterBy(table, field.value);
      writeAddress();
    });
  }

  function applyAddress() {
    const { place, views } = readAddress();
    for (const [id, view] of Object.entries(views)) {
      const table = document.getElementById(id);
      if (!table || !table.classList.contains("sortable")) continue;
      if (view.filter !== undefined) {
        const field = document.querySelector(`input[data-filters="${table.id}"]`);
        if (field) field.value = view.filter;
        filterBy(table, view.filter);
      }
      const [column, direction] = (view.sort || "").split(":");
      if (direction) sortBy(table, Number(column), direction === "up" ? 1 : -1);
    }
    // The browser itself does not find the place where a view follows it in the address.
    if (Object.keys(views).length && place) document.getElementById(place)?.scrollIntoView();
  }
  applyAddress();
  addEventListener("hashchange", applyAddress);

  // --- Search: every word of the query in a thing's name or words. The index is in the page as data.
  function offerSearch(field) {
    const index = JSON.parse(document.getElementById("find-index").textContent);
    for (const entry of index) entry.text = `${entry.kind} ${entry.title} ${entry.words}`.toLowerCase();
    const list = document.getElementById("found");
    const most = 40;
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = words.length ? index.filter((entry) => words.every((word) => entry.text.includes(word))) : [];
      // What has the words in its name comes before what only has them in its description.
      const named = (entry) => words.every((word) => entry.title.toLowerCase().includes(word));
      found.sort((a, b) => named(b) - named(a));
      list.replaceChildren(...found.slice(0, most).map((entry) => {
        const [item, link, kind] = ["li", "a", "span"].map((name) => document.createElement(name));
        link.href = entry.address;
        kind.textContent = entry.kind;
        link.append(kind, entry.title);
        item.append(link);
        return item;
      }));
      const more = found.length > most ? `, the first ${most} shown` : "";
      document.getElementById("found-count").textContent = words.length ? `${found.length} found${more}` : "";
    });
  }
  const find = document.getElementById("find");
  if (find) offerSearch(find);

  // --- Chips: a line stays if it has one of the pressed values of every facet that has any pressed.
  const chips = [...document.querySelectorAll("#chips button")];
  function applyChips() {
    const pressed = {};
    for (const chip of chips.filter((c) => c.getAttribute("aria-pressed") === "true")) {
      (pressed[chip.dataset.facet] ||= []).push(chip.dataset.is);
    }
    const lines = [...document.querySelectorAll(".group .matrix > tbody")];
    for (const line of lines) {
      line.hidden = !Object.entries(pressed).every(([facet, values]) => values.includes(line.dataset[facet]));
    }
    for (const group of document.querySelectorAll(".group[data-data]")) {
      const shown = [...group.querySelectorAll("tbody")].filter((line) => !line.hidden).length;
      group.hidden = !shown;
      if (Object.keys(pressed).length) group.open = true;
    }
    const count = lines.filter((line) => !line.hidden).length;
    const output = document.getElementById("chips-count");
    output.textContent = Object.keys(pressed).length ? `${count} of ${lines.length} tables` : "";
  }
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      applyChips();
    });
  }

  // --- A link to something that is folded opens it.
  function unfold() {
    const place = document.getElementById(readAddress().place);
    for (let fold = place?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    const inside = place?.querySelector(":scope > details");
    if (inside) inside.open = true;
  }
  unfold();
  addEventListener("hashchange", unfold);
  // Paper has nothing to click.
  addEventListener("beforeprint", () => { for (const group of document.querySelectorAll("details.group")) group.open = true; });

  // --- Copy a command; where the browser does not allow it, select it so that a key press does.
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // --- Two choices that lead to a page: which, is in the page as data.
  for (const chooser of document.querySelectorAll(".chooser")) {
    chooser.hidden = false;
    chooser.querySelector("button").addEventListener("click", () => {
      const [first, second] = [...chooser.querySelectorAll("select")].map((select) => select.value);
      const page = (JSON.parse(document.getElementById(chooser.dataset.pages).textContent)[first] || {})[second];
      chooser.querySelector("output").textContent = page ? "" : "These two share no track.";
      if (page) location.href = page;
    });
  }
})();
