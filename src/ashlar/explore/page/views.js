"use strict";
// What the main pane shows: an overview, a file, a difference, hits of a search.
explore.views = (() => {
  const { h } = explore;
  const LAYERS = [
    ["src/app/api/", "Routes", "what callers see: routes, dependencies, errors"],
    ["src/app/services/", "Services", "decisions"],
    ["src/app/repositories/", "Repositories", "queries"],
    ["src/app/models/", "Models", "tables, bodies, events"],
    ["src/app/core/", "Core", "database, cache, security, settings, logging"],
    ["src/app/", "Application", "composition, command line, mail"],
    ["migrations/", "Migrations", "Alembic’s revisions"],
    ["tests/", "Tests", "on a real PostgreSQL"],
    ["devtools/", "Development", "the embedded PostgreSQL and other tools"],
    ["deploy/", "Delivery", "Kubernetes, environments"],
    [".github/", "Delivery", ""],
    ["", "Project", "documents, settings of tools, image"],
  ];
  const BEGIN = [
    ["README.md", "the project’s own front page"],
    ["CONTRIBUTING.md", "a resource, layer by layer"],
    ["src/app/main.py", "the application, in reading order"],
    ["src/app/wiring.py", "the one place that knows its services"],
    ["src/app/api/routes/items.py", "routes as sentences"],
    ["src/app/services/items.py", "the decisions behind them"],
    ["src/app/repositories/items.py", "a statement a function"],
    ["tests/integration/api/test_items.py", "and their tests"],
  ];
  const SHOWN_HITS = 300;
  const number = (value) => value.toLocaleString("en");
  const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
  const layerOf = (path) => LAYERS.find(([start]) => path.startsWith(start))[1];
  const layers = [...new Set(LAYERS.map(([, name]) => name))];

  function byLayer(paths) {
    return layers
      .map((layer) => [layer, paths.filter((path) => layerOf(path) === layer)])
      .filter(([, found]) => found.length);
  }

  function overview(tree, link) {
    const paths = Object.keys(tree);
    const sum = (found) => found.reduce((total, path) => total + tree[path][1], 0);
    const rows = byLayer(paths).map(([layer, found]) => h("tr", {},
      h("th", { scope: "row" }, layer),
      h("td", {}, LAYERS.find(([, name]) => name === layer)[2]),
      h("td", {}, number(found.length)),
      h("td", {}, number(sum(found)))));
    return h("div", { class: "measure" },
      h("h1", {}, "What you would get"),
      h("p", { class: "note" }, `${count(paths.length, "file")}, ${count(sum(paths), "line")}; every line is yours to read and to change.`),
      h("table", { class: "layers" },
        h("thead", {}, h("tr", {}, ...["Layer", "", "Files", "Lines"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, ...rows)),
      h("h2", {}, "Begin with"),
      h("ul", { class: "begin" }, ...BEGIN.filter(([path]) => path in tree).map(([path, why]) =>
        h("li", {}, h("a", { href: link(path) }, path), h("small", {}, why)))));
  }

  function title(path, ...more) {
    const at = path.lastIndexOf("/") + 1;
    return h("div", { class: "title" },
      h("span", { class: "path" }, h("span", {}, path.slice(0, at)), path.slice(at)), ...more);
  }

  // The text's lines, each a list of [class, part].
  function coloured(text, colours) {
    const found = [[]];
    let at = 0;
    for (const [, letter, length] of (colours ?? "").matchAll(/([A-Z])(\d+)/g)) {
      const parts = text.slice(at, at += Number(length)).split("\n");
      parts.forEach((part, index) => {
        if (index) found.push([]);
        if (part) found.at(-1).push([letter, part]);
      });
    }
    if (at < text.length) found.at(-1).push(["P", text.slice(at)]);
    if (found.at(-1).length === 0) found.pop();
    return found;
  }

  async function file(path, [key, lines], line) {
    const text = await explore.text(key);
    if (text === null) return h("div", {}, title(path), h("p", { class: "note" }, "This file is no text."));
    const code = coloured(text, await explore.colours(key)).map((parts, at) => h("div",
      { "data-n": at + 1, class: at + 1 === line ? "here" : "" },
      h("span", {}, ...parts.map(([letter, part]) => (letter === "P" ? part : h("span", { class: letter }, part))))));
    return h("div", {}, title(path, h("small", {}, count(lines, "line"))), h("div", { class: "code" }, ...code));
  }

  function changed(lines) {
    const shown = explore.diff.hunks(lines).map((line) => (line === null
      ? h("div", { class: "gap" }, h("span", { class: "sign" }), "⋯")
      : h("div", { class: { "+": "added", "-": "removed", " ": "" }[line.sign], "data-n": line.new ?? line.old },
        h("span", { class: "sign" }, line.sign), line.text)));
    return h("div", { class: "code" }, ...shown);
  }

  async function difference({ path, was, is, kind }) {
    const [before, after] = await Promise.all([was, is].map((leaf) => (leaf ? explore.text(leaf[0]) : "")));
    const lines = explore.diff.between(before ?? "", after ?? "");
    const plus = lines.filter(({ sign }) => sign === "+").length;
    const minus = lines.filter(({ sign }) => sign === "-").length;
    return { path, kind, lines, plus, minus };
  }

  async function compare(before, after, heading, sides) {
    const found = await Promise.all(explore.diff.trees(before, after).map(difference));
    const of = (kind) => found.filter((each) => each.kind === kind).length;
    const sum = (name) => found.reduce((total, each) => total + each[name], 0);
    const groups = byLayer(found.map(({ path }) => path)).flatMap(([layer, paths]) => [
      h("h2", { class: "layer" }, layer, " ", h("small", {}, count(paths.length, "file"))),
      ...paths.map((path) => entry(found.find((each) => each.path === path))),
    ]);
    return h("div", {},
      h("h1", {}, heading),
      sides,
      h("p", { class: "total" }, found.length
        ? h("span", {}, `${count(of("added"), "file")} new, ${number(of("changed"))} changed, ${number(of("removed"))} gone: `,
          h("span", { class: "plus" }, `+${number(sum("plus"))}`), " ",
          h("span", { class: "minus" }, `−${number(sum("minus"))}`), " lines")
        : "Nothing differs."),
      ...groups);
  }

  function entry({ path, kind, lines, plus, minus }) {
    const sign = { added: "plus", removed: "minus", changed: "" }[kind];
    const details = h("details", {}, h("summary", {},
      h("span", { class: `kind ${sign}` }, { added: "new", removed: "gone", changed: "changed" }[kind]),
      h("span", { class: "path" }, path),
      h("span", {}, plus ? h("span", { class: "plus" }, `+${number(plus)}`) : "", " ",
        minus ? h("span", { class: "minus" }, `−${number(minus)}`) : "")));
    // A long difference is drawn when it is opened.
    const draw = () => { if (details.children.length === 1) details.append(changed(lines)); };
    details.addEventListener("toggle", draw);
    if (kind === "changed" && plus + minus <= 40) { details.open = true; draw(); }
    return details;
  }

  async function search(tree, query, link) {
    const wanted = query.toLowerCase();
    const paths = Object.keys(tree);
    const texts = await Promise.all(paths.map((path) => explore.text(tree[path][0])));
    const found = [];
    let hits = 0;
    paths.forEach((path, at) => {
      const lines = (texts[at] ?? "").split("\n").flatMap((line, index) =>
        (line.toLowerCase().includes(wanted) ? [[index + 1, line]] : []));
      if (lines.length || path.toLowerCase().includes(wanted)) found.push([path, lines]);
      hits += lines.length;
    });
    found.sort(([a], [b]) => b.toLowerCase().includes(wanted) - a.toLowerCase().includes(wanted));
    let left = SHOWN_HITS;
    const list = found.filter(([, lines], at) => at === 0 || left > 0 && (left -= lines.length, true)).map(([path, lines]) =>
      h("li", {}, h("a", { class: "path", href: link(path) }, ...marked(path, wanted)),
        h("ol", {}, ...lines.slice(0, 20).map(([at, line]) => h("li", {},
          h("a", { class: "line", href: link(path, at) }, h("b", {}, String(at)), h("span", {}, ...marked(line, wanted))))))));
    return h("div", {},
      h("h1", {}, `“${query}”`),
      h("p", { class: "note" }, found.length
        ? `${count(hits, "line")} in ${count(found.length, "file")}${list.length < found.length ? `; the first ${list.length} files are shown` : ""}`
        : "No file has that."),
      h("ul", { class: "hits" }, ...list));
  }

  function marked(text, wanted) {
    const parts = [];
    const lower = text.toLowerCase();
    let at = 0;
    for (let next = lower.indexOf(wanted); next >= 0; next = lower.indexOf(wanted, at)) {
      parts.push(text.slice(at, next), h("mark", {}, text.slice(next, next + wanted.length)));
      at = next + wanted.length;
    }
    return [...parts, text.slice(at)];
  }

  return { overview, file, compare, search };
})();
