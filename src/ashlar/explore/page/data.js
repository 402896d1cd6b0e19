"use strict";
// The site's data: scripts that call `explore.take`, since a page from the file system may load nothing else.
const explore = (() => {
  const taken = new Map();
  const loading = new Map();
  const packs = { text: new Map(), colours: new Map() };
  let asked = 0;

  function take(name, data) {
    taken.set(name, data);
    const [kind] = name.split("/", 1);
    if (packs[kind]) for (const [key, value] of Object.entries(data)) packs[kind].set(key, value);
  }

  // `anew` asks for a pack again, which has grown on the server since.
  function load(name, anew = false) {
    if (taken.has(name) && !anew) return Promise.resolve(taken.get(name));
    if (!loading.has(name)) {
      const script = document.createElement("script");
      script.src = `data/${name.split("/").map(encodeURIComponent).join("/")}.js${anew ? `?${++asked}` : ""}`;
      const done = new Promise((resolve, reject) => {
        script.onload = () => resolve(taken.get(name));
        script.onerror = () => reject(new Error(`data/${name}.js cannot be read: is \`ashlar explore\` still running?`));
      });
      loading.set(name, done.finally(() => { loading.delete(name); script.remove(); }));
      document.head.append(script);
    }
    return loading.get(name);
  }

  async function content(kind, key) {
    const pack = `${kind}/${key.slice(0, taken.get("site").packDigits)}`;
    if (!packs[kind].has(key)) await load(pack, taken.has(pack));
    return packs[kind].get(key);
  }

  // An element with attributes; what begins with "on" listens.
  function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  return {
    take,
    load,
    h,
    tree: (version, choice) => load(`tree/${version}/${choice}`),
    text: (key) => content("text", key),
    colours: (key) => content("colours", key),
  };
})();
