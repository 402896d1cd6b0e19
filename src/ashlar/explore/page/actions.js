"use strict";
// What a key or a button does that changes no address: copying the command, and light or dark.
explore.actions = (() => {
  const $ = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");

  async function copy() {
    const text = $("command").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Where the clipboard is not to be had (a page over plain HTTP), what is selected can be copied.
      getSelection().selectAllChildren($("command"));
      document.execCommand("copy");
    }
    $("copy").textContent = "Copied";
    setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
  }

  function theme(next) {
    const kept = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
    const chosen = next ?? kept ?? (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = chosen;
    if (next) try { localStorage.setItem("theme", next); } catch { /* It is chosen again next time. */ }
  }
  const switchTheme = () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");

  theme();
  dark.addEventListener("change", () => theme());
  return { copy, switchTheme };
})();
