"use strict";
// The tree of files: folders open and close, arrows walk through it.
explore.treeView = (() => {
  const { h } = explore;
  const root = document.getElementById("tree");
  const open = new Set(["src", "src/app"]);
  let files = {};
  let fresh = new Set();
  let selected = null;
  let current = null;
  let onOpen = () => {};

  function rows() {
    const found = [];
    const seen = new Set();
    const ordered = Object.keys(files).map((path) => path.split("/"));
    ordered.sort(compare);
    for (const parts of ordered) {
      let closed = false;
      for (let depth = 1; depth < parts.length && !closed; depth++) {
        const folder = parts.slice(0, depth).join("/");
        if (!seen.has(folder)) {
          seen.add(folder);
          found.push({ path: folder, name: parts[depth - 1], level: depth - 1, folder: true });
        }
        closed = !open.has(folder);
      }
      if (!closed) found.push({ path: parts.join("/"), name: parts.at(-1), level: parts.length - 1 });
    }
    return found;
  }

  // Folders before files, as editors have it.
  function compare(a, b) {
    for (let i = 0; ; i++) {
      if (a[i] !== b[i]) {
        const [lastA, lastB] = [i === a.length - 1, i === b.length - 1];
        if (lastA !== lastB) return lastA ? 1 : -1;
        return a[i] < b[i] ? -1 : 1;
      }
    }
  }

  function draw(focus = false) {
    const shown = rows();
    if (!shown.some((row) => row.path === current)) current = selected ?? shown[0]?.path;
    root.replaceChildren(...shown.map(row));
    if (focus) root.querySelector("[tabindex='0']")?.focus();
  }

  function row({ path, name, level, folder }) {
    const isFresh = folder ? [...fresh].some((each) => each.startsWith(`${path}/`)) : fresh.has(path);
    const element = h("div", {
      role: "treeitem",
      class: isFresh ? "fresh" : "",
      "aria-level": level + 1,
      "aria-expanded": folder && String(open.has(path)),
      "aria-selected": String(path === selected),
      tabindex: path === current ? 0 : -1,
      "data-path": path,
      onclick: () => { current = path; folder ? toggle(path, true) : onOpen(path); },
    }, name);
    element.style.setProperty("--level", level);
    return element;
  }

  function toggle(path, focus) {
    if (!open.delete(path)) open.add(path);
    draw(focus);
  }

  function move(by) {
    const shown = rows();
    const at = shown.findIndex((row) => row.path === current);
    current = shown[Math.max(0, Math.min(shown.length - 1, at + by))]?.path;
    draw(true);
  }

  root.addEventListener("keydown", (event) => {
    const folder = !(current in files);
    const parent = current.slice(0, Math.max(0, current.lastIndexOf("/")));
    const actions = {
      ArrowDown: () => move(1),
      ArrowUp: () => move(-1),
      ArrowRight: () => (folder && !open.has(current) ? toggle(current, true) : move(1)),
      ArrowLeft: () => {
        if (folder && open.has(current)) toggle(current, true);
        else if (parent) { current = parent; draw(true); }
      },
      Home: () => move(-Infinity),
      End: () => move(Infinity),
      Enter: () => (folder ? toggle(current, true) : onOpen(current)),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  });

  return {
    listen: (listener) => { onOpen = listener; },
    focus: () => root.querySelector("[tabindex='0']")?.focus(),
    show(tree, chosen, added) {
      [files, selected, fresh] = [tree, chosen, new Set(added)];
      if (chosen) {
        current = chosen;
        chosen.split("/").slice(0, -1).forEach((_, at, parts) => open.add(parts.slice(0, at + 1).join("/")));
      }
      const focused = root.contains(document.activeElement);
      draw(focused);
      root.querySelector("[aria-selected='true']")?.scrollIntoView({ block: "nearest" });
    },
  };
})();
