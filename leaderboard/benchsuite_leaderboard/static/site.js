// Sorting, copying and drawing. The tables are complete without this file.
"use strict";

(function () {
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

  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      heading.querySelector("button").addEventListener("click", () => {
        const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        headings.forEach((other) => other.setAttribute("aria-sort", "none"));
        heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        const bodies = [...table.tBodies];
        bodies.sort(comparer(column, heading.dataset.kind, direction));
        table.append(...bodies);
      });
    });
  }

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

  // --- Draw a chart once it comes near the window. Colours are the text's own, so light and dark need no second drawing.
  const config = {
    background: "transparent",
    font: "system-ui, -apple-system, 'Segoe UI', sans-serif",
    view: { stroke: null },
    axis: {
      labelColor: "currentColor", titleColor: "currentColor", domainColor: "currentColor", tickColor: "currentColor",
      gridColor: "currentColor", gridOpacity: 0.12, domainOpacity: 0.4, tickOpacity: 0.4, labelOpacity: 0.75,
      titleFontWeight: 500, titleFontSize: 12, labelFontSize: 11, labelFlush: false, labelOverlap: true,
    },
    axisX: { grid: false, tickCount: 6 },
    axisY: { tickCount: 5 },
  };

  async function draw(place) {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    try {
      const spec = JSON.parse(document.getElementById(place.dataset.chart).textContent);
      await vegaEmbed(place, spec, {
        mode: "vega-lite", renderer: "svg", actions: false, config, tooltip: { theme: dark ? "dark" : "light" },
      });
      place.dataset.drawn = "yes";
    } catch (error) {
      place.className = "chart-problem";
      place.textContent = `This chart could not be drawn: ${error.message}`;
      console.error(error);
    }
  }

  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((e) => e.isIntersecting)) {
      watcher.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "600px" });
  document.querySelectorAll(".chart").forEach((place) => watcher.observe(place));
})();
