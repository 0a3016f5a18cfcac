// Charts: their libraries are loaded, and each is drawn, only once it comes near the window; all are drawn for print.
"use strict";

(function () {
  const vendor = document.currentScript.dataset.vendor;

  // --- Colours are the text's own, so light and dark need no second drawing.
  const config = {
    background: "transparent",
    font: "system-ui, -apple-system, 'Segoe UI', sans-serif",
    view: { stroke: null },
    axis: {
      labelColor: "currentColor", titleColor: "currentColor", domainColor: "currentColor", tickColor: "currentColor",
      gridColor: "currentColor", gridOpacity: 0.12, domainOpacity: 0.4, tickOpacity: 0.4, labelOpacity: 0.8,
      titleFontWeight: 500, titleFontSize: 12, labelFontSize: 11, labelFlush: false, labelOverlap: true,
    },
    axisX: { grid: false, tickCount: 6 },
    axisY: { tickCount: 5 },
    text: { color: "currentColor" },
    legend: { labelColor: "currentColor", titleColor: "currentColor" },
  };

  let libraries = null;

  function load(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${vendor}${name}.min.js`;
      script.async = false;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${name}.min.js is missing beside the page`));
      document.head.append(script);
    });
  }

  function loadLibraries() {
    return (libraries ||= Promise.all(["vega", "vega-lite", "vega-embed"].map(load)));
  }

  function readSpec(place) {
    return JSON.parse(document.getElementById(place.dataset.chart).textContent);
  }

  function fail(place, error) {
    place.className = "chart-problem";
    place.textContent = `This chart could not be drawn: ${error.message}`;
    console.error(error);
  }

  async function draw(place, axis) {
    const scheme = getComputedStyle(document.documentElement).colorScheme;
    const dark = scheme === "dark" || (scheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    try {
      await loadLibraries();
      if (place.dataset.drawn && !axis) return; // printing drew it while the libraries were loading
      const spec = readSpec(place);
      if (axis) {
        spec.encoding.x = axis.x;
        for (const layer of spec.layer) layer.transform = [...(layer.transform || []), ...axis.transform];
      }
      delete place.dataset.drawn;
      const { view } = await vegaEmbed(place, spec, {
        mode: "vega-lite", renderer: "svg", actions: false, config, tooltip: { theme: dark ? "dark" : "light" },
      });
      if (!axis && spec.usermeta) offerAxes(place, spec.usermeta.axes);
      offerFiles(place, view);
      place.dataset.drawn = "yes";
    } catch (error) {
      fail(place, error);
    }
  }

  // --- What a curve is drawn against: the choices are in its spec, their buttons in the page.
  function offerAxes(place, axes) {
    const bar = place.parentElement.previousElementSibling;
    if (!bar || !bar.classList.contains("waiting")) return;
    [...bar.children].forEach((button, number) => {
      button.addEventListener("click", async () => {
        for (const other of bar.children) other.setAttribute("aria-pressed", String(other === button));
        await draw(place, axes[number]);
      });
    });
    bar.classList.remove("waiting");
  }

  // --- The chart as a file for papers: in black and its colours, whatever the theme.
  function offerFiles(place, view) {
    const bar = place.parentElement.querySelector(".save");
    const name = `${location.pathname.split("/").pop().replace(/\.html$/, "")}-${place.dataset.chart}`;
    const save = (blob, ending) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${name}.${ending}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    };
    const kinds = {
      SVG: async () => save(new Blob([await view.toSVG()], { type: "image/svg+xml" }), "svg"),
      PNG: async () => {
        const drawn = await view.toCanvas(3);
        const page = document.createElement("canvas");
        page.width = drawn.width;
        page.height = drawn.height;
        const pen = page.getContext("2d");
        pen.fillStyle = "white";
        pen.fillRect(0, 0, page.width, page.height);
        pen.drawImage(drawn, 0, 0);
        page.toBlob((blob) => save(blob, "png"), "image/png");
      },
    };
    bar.replaceChildren(...Object.entries(kinds).map(([kind, click]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = kind;
      button.title = `Save this chart as ${kind}`;
      button.addEventListener("click", click);
      return button;
    }));
  }

  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((e) => e.isIntersecting)) {
      watcher.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "300px" });
  document.querySelectorAll(".chart").forEach((place) => watcher.observe(place));

  // --- Print: folded charts are opened, and all that are not drawn yet are drawn at once, since print does not wait.
  function drawNow(place) {
    try {
      const spec = vegaLite.compile(readSpec(place), { config }).spec;
      new vega.View(vega.parse(spec), { renderer: "svg", container: place }).run();
      place.dataset.drawn = "yes";
    } catch (error) {
      fail(place, error);
    }
  }

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details.charts:not([open])")];
    for (const fold of opened) fold.open = true;
    if (window.vega && window.vegaLite) document.querySelectorAll(".chart:not([data-drawn])").forEach(drawNow);
  });
  addEventListener("afterprint", () => {
    for (const fold of opened) fold.open = false;
  });
  // The keys of a print command come before the print: time to load the libraries if no chart was in view yet.
  addEventListener("keydown", (event) => {
    if ((event.key === "Control" || event.key === "Meta") && document.querySelector(".chart")) loadLibraries();
  });
})();
