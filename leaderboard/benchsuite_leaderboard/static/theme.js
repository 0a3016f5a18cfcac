// The theme that was chosen, before anything is drawn. Without a choice, and without this file, the system's.
"use strict";

(function () {
  const root = document.documentElement;
  // Before the first paint, too: what needs a script has its place from the beginning.
  root.classList.add("scripted");
  let chosen = null;
  // A browser may refuse storage to pages that are files.
  try { chosen = localStorage.getItem("theme"); } catch { chosen = null; }
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("button.theme");
    const themes = ["auto", "light", "dark"];
    const show = () => {
      const theme = root.dataset.theme || "auto";
      button.textContent = `theme: ${theme}`;
      button.setAttribute("aria-label", theme === "auto" ? "Theme: auto, as the system has it" : `Theme: ${theme}`);
    };
    button.addEventListener("click", () => {
      const next = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length];
      if (next === "auto") delete root.dataset.theme;
      else root.dataset.theme = next;
      try { localStorage.setItem("theme", next); } catch { /* the choice lasts for this page */ }
      show();
    });
    show();
    button.hidden = false;
  });
})();
