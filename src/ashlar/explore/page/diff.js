"use strict";
// The difference of two texts by lines (Myers), and of two trees by files.
explore.diff = (() => {
  const CONTEXT = 3;
  const MOST_EDITS = 3000;

  function lines(text) {
    const found = text.split("\n");
    if (found.at(-1) === "") found.pop();
    return found;
  }

  // Each line once, with its sign and its numbers in the old and in the new text.
  function between(before, after) {
    const [a, b] = [lines(before), lines(after)];
    let start = 0;
    while (start < a.length && start < b.length && a[start] === b[start]) start++;
    let end = 0;
    while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
    const steps = edits(a.slice(start, a.length - end), b.slice(start, b.length - end));
    const signs = [..." ".repeat(start), ...steps, ..." ".repeat(end)];
    let [i, j] = [0, 0];
    return signs.map((sign) => {
      if (sign === "-") return { sign, text: a[i], old: ++i };
      if (sign === "+") return { sign, text: b[j], new: ++j };
      return { sign, text: a[i], old: ++i, new: ++j };
    });
  }

  function edits(a, b) {
    const everything = "-".repeat(a.length) + "+".repeat(b.length);
    if (!a.length || !b.length) return everything;
    const most = Math.min(a.length + b.length, MOST_EDITS);
    const reached = new Map([[1, 0]]);
    const trace = [];
    for (let d = 0; d <= most; d++) {
      trace.push(new Map(reached));
      for (let k = -d; k <= d; k += 2) {
        const down = k === -d || (k !== d && reached.get(k - 1) < reached.get(k + 1));
        let x = down ? reached.get(k + 1) : reached.get(k - 1) + 1;
        while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
        reached.set(k, x);
        if (x >= a.length && x - k >= b.length) return backwards(trace, a.length, b.length);
      }
    }
    return everything;
  }

  function backwards(trace, x, y) {
    const signs = [];
    for (let d = trace.length - 1; d >= 0; d--) {
      const reached = trace[d];
      const k = x - y;
      const down = k === -d || (k !== d && reached.get(k - 1) < reached.get(k + 1));
      const fromX = d ? reached.get(down ? k + 1 : k - 1) : 0;
      const fromY = d ? fromX - (down ? k + 1 : k - 1) : 0;
      while (x > fromX && y > fromY) { signs.push(" "); x--; y--; }
      if (d) { signs.push(down ? "+" : "-"); [x, y] = [fromX, fromY]; }
    }
    return signs.reverse().join("");
  }

  // Only what changed, with some lines around; null stands for what is left out.
  function hunks(all) {
    const near = new Set();
    all.forEach((line, at) => {
      if (line.sign !== " ") for (let i = at - CONTEXT; i <= at + CONTEXT; i++) near.add(i);
    });
    const shown = [];
    all.forEach((line, at) => {
      if (near.has(at)) shown.push(line);
      else if (shown.at(-1) !== null) shown.push(null);
    });
    return shown;
  }

  function trees(before, after) {
    const paths = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return paths.flatMap((path) => {
      const [was, is] = [before[path], after[path]];
      if (was && is && was[0] === is[0]) return [];
      return [{ path, was, is, kind: !was ? "added" : !is ? "removed" : "changed" }];
    });
  }

  return { between, hunks, trees };
})();
