"use strict";
// What is chosen stands in the address, so that it can be shared and gone back to:
// #/VERSION/CHOICE, then /file/PATH:LINE, /search/WORDS or /compare/VERSION/CHOICE/VERSION/CHOICE.
(async () => {
  const { h, views, treeView, actions } = explore;
  const $ = (id) => document.getElementById(id);
  const site = await explore.load("site");
  const version = (name) => site.versions.find((each) => each.name === name);
  const pristine = (name) => version(name).options.map(({ on }) => (on ? "1" : "0")).join("");
  const address = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;
  let state = null;
  let shown = {};
  let file = null;

  function read() {
    const [name, choice, view = "overview", ...rest] = location.hash.slice(2).split("/").map(decodeURIComponent);
    const known = version(name) ? name : site.start;
    const fits = /^[01]*$/.test(choice ?? "") && choice?.length === version(known).options.length;
    return { version: known, choice: fits ? choice : pristine(known), view, rest };
  }

  const link = (path, line) => address(state.version, state.choice, "file", line ? `${path}:${line}` : path);
  const flip = (choice, at, to) => choice.slice(0, at) + (to ?? (choice[at] === "1" ? "0" : "1")) + choice.slice(at + 1);

  // Choose something else, and stay where one is if that is still there.
  function go(name, choice) {
    const { view, rest } = state;
    location.hash = view === "file" || view === "search" ? address(name, choice, view, ...rest) : address(name, choice);
  }

  // The same options in another version, which may have others.
  function carry(choice, from, to) {
    const on = new Map(version(from).options.map(({ label }, at) => [label, choice[at]]));
    return version(to).options.map(({ label, on: usual }) => on.get(label) ?? (usual ? "1" : "0")).join("");
  }

  function named(name, choice) {
    const on = version(name).options.filter((_, at) => choice[at] === "1").map(({ label }) => label);
    return on.join(", ") || "nothing";
  }

  function command() {
    const { options } = version(state.version);
    const flags = options.flatMap(({ label, on }, at) =>
      (state.choice[at] === "1") === on ? [] : [on ? `--no-${label}` : `--${label}`]);
    const services = options.some(({ service }, at) => service && state.choice[at] === "1");
    return [site.command, "my-service", ...(services ? [] : ["--none"]), ...flags,
      ...(state.version === site.start ? [] : ["--version", state.version])].join(" ");
  }

  function drawOptions() {
    $("options").replaceChildren(...version(state.version).options.map(({ label, text }, at) => {
      const id = `option-${label}`;
      return h("li", {},
        h("input", { type: "checkbox", id, checked: state.choice[at] === "1", onchange: () => go(state.version, flip(state.choice, at)) }),
        h("label", { for: id }, label),
        h("a", { href: address(state.version, state.choice, "compare", state.version, flip(state.choice, at, "0"), state.version, flip(state.choice, at, "1")) },
          "what it adds"),
        h("small", {}, text.replace(/\?$/, "")));
    }));
  }

  function drawSides([fromName, fromChoice, toName, toChoice]) {
    const sides = (name, choice, then) => {
      const choices = site.versions.flatMap((each) => [
        [each.name, carry(state.choice, state.version, each.name)],
        [each.name, each.options.map(() => "0").join("")],
        [each.name, each.options.map(() => "1").join("")],
      ]);
      const keys = new Set([...choices, [name, choice]].map((each) => each.join("/")));
      const select = h("select", { onchange: () => then(select.value.split("/")) }, ...[...keys].map((key) => {
        const [v, c] = key.split("/");
        return h("option", { value: key, selected: key === `${name}/${choice}` }, `${v}: ${named(v, c)}`);
      }));
      return select;
    };
    const move = (...pair) => { location.hash = address(state.version, state.choice, "compare", ...pair); };
    return h("div", { class: "sides" },
      h("label", {}, "From ", sides(fromName, fromChoice, (from) => move(...from, toName, toChoice))),
      h("label", {}, "to ", sides(toName, toChoice, (to) => move(fromName, fromChoice, ...to))));
  }

  function heading([fromName, fromChoice, toName, toChoice]) {
    if (fromName !== toName) return `${fromName} → ${toName}`;
    const { options } = version(toName);
    const differing = options.filter((_, at) => fromChoice[at] !== toChoice[at]);
    const verb = toChoice > fromChoice ? "adds" : "takes away";
    return differing.length === 1 ? `What ${differing[0].label} ${verb}` : "What differs";
  }

  async function view(tree) {
    const { view: kind, rest } = state;
    if (kind === "file") {
      const [, path, line] = rest.join("/").match(/^(.*?)(?::(\d+))?$/);
      file = path;
      if (path in tree) return views.file(path, tree[path], Number(line));
      return h("p", { class: "note" }, `There is no ${path} with these options.`);
    }
    if (kind === "search") return views.search(tree, rest.join("/"), link);
    if (kind === "compare" && rest.length === 4) {
      const [before, after] = await Promise.all([explore.tree(rest[0], rest[1]), explore.tree(rest[2], rest[3])]);
      return views.compare(before, after, heading(rest), drawSides(rest));
    }
    file = null;
    return views.overview(tree, link);
  }

  // What the last choice has brought; a first look brings nothing.
  function news(tree, before) {
    if (!shown.tree || shown.tree === tree) return shown.added ?? [];
    const found = explore.diff.trees(shown.tree, tree);
    const of = (kind) => found.filter((each) => each.kind === kind);
    const pair = [before.version, before.choice, state.version, state.choice];
    $("change").replaceChildren(`${of("added").length} files new, ${of("removed").length} gone, ${of("changed").length} changed: `, h("a", { href: address(state.version, state.choice, "compare", ...pair) }, "compare"));
    return of("added").map(({ path }) => path);
  }

  let turn = 0;
  async function draw() {
    const mine = ++turn;
    const before = state;
    state = read();
    // On a phone, options are chosen one after the other; a file that is chosen is to be read.
    if (before && [state.view, ...state.rest].join("/") !== [before.view, ...before.rest].join("/")) panel(false);
    drawOptions();
    $("version").value = state.version;
    $("command").textContent = command();
    const late = setTimeout(() => { $("main").replaceChildren(h("p", { class: "note" }, "Rendering …")); }, 150);
    try {
      const tree = await explore.tree(state.version, state.choice);
      const drawn = await view(tree);
      if (mine !== turn) return;
      const added = news(tree, before);
      shown = { tree, added };
      treeView.show(tree, file, added);
      $("count").textContent = Object.keys(tree).length;
      $("main").replaceChildren(drawn);
      document.title = `${state.view === "file" ? file : state.view === "search" ? "Search" : "Ashlar"}, explored`;
      const here = drawn.querySelector(".here");
      if (here) here.scrollIntoView({ block: "center" });
      else $("main").scrollTop = 0;
      if (state.view !== "search") $("search").value = "";
      prepare();
    } catch (error) {
      if (mine === turn) $("main").replaceChildren(h("p", { class: "note" }, error.message));
    } finally {
      clearTimeout(late);
    }
  }

  // What is a click away is rendered before it is asked for, but after the page itself is there.
  async function prepare() {
    if (document.readyState !== "complete") await new Promise((resolve) => { addEventListener("load", resolve, { once: true }); });
    const [mine, { version: name, choice }] = [turn, state];
    for (let at = 0; at < choice.length && mine === turn; at++) await explore.tree(name, flip(choice, at)).catch(() => {});
  }

  function panel(opened) {
    document.body.dataset.panel = opened ? "open" : "";
    $("panel").setAttribute("aria-expanded", String(opened));
  }

  let typing;
  $("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const words = $("search").value.trim();
      const to = words.length > 1 ? address(state.version, state.choice, "search", words) : file ? link(file) : address(state.version, state.choice);
      // One step back leads out of the search, whatever was typed.
      history[state.view === "search" ? "replaceState" : "pushState"](null, "", to);
      draw();
    }, 200);
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    const field = event.target.closest("input:not([type=checkbox]), select");
    if (event.key === "Escape") {
      $("search").blur();
      if (state.view !== "overview" && state.view !== "file") location.hash = file ? link(file) : address(state.version, state.choice);
      return;
    }
    if (field) {
      if (event.key === "ArrowDown" && field.type === "search") { event.preventDefault(); treeView.focus(); }
      return;
    }
    const option = version(state.version).options[Number(event.key) - 1];
    const keys = {
      "/": () => { $("search").focus(); $("search").select(); },
      "?": () => $("help").showModal(),
      c: actions.copy,
      t: actions.switchTheme,
      ArrowDown: event.target === document.body || event.target === $("main") ? treeView.focus : null,
    };
    const action = option ? () => go(state.version, flip(state.choice, Number(event.key) - 1)) : keys[event.key];
    if (action) { event.preventDefault(); action(); }
  });

  treeView.listen((path) => { location.hash = link(path); });
  $("version").append(...site.versions.map(({ name, release }) => h("option", { value: name }, release ? name : `unreleased ${name}`)));
  $("version").addEventListener("change", (event) => go(event.target.value, carry(state.choice, state.version, event.target.value)));
  $("copy").addEventListener("click", actions.copy);
  $("theme").addEventListener("click", actions.switchTheme);
  $("keys").addEventListener("click", () => $("help").showModal());
  $("panel").addEventListener("click", () => panel(document.body.dataset.panel !== "open"));
  addEventListener("hashchange", draw);
  await draw();
})();
