"use strict";
// Draws the figures in the colours of the style sheet, sorts tables, and follows dark mode, width and print.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const PRINT_WIDTH = 660;
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  // "@portfolio" in a figure is the colour --portfolio of the style sheet.
  const painted = (value) => {
    if (typeof value === "string") return value.startsWith("@") ? color(value.slice(1)) : value;
    if (Array.isArray(value)) return value.length && typeof value[0] === "number" ? value : value.map(painted);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, painted(inner)]));
  };

  // A trace whose x is a number has the x of the trace with that number.
  const withX = (data) => data.map((one) => (typeof one.x === "number" ? { ...one, x: data[one.x].x } : one));

  const layoutOf = (layout, narrow, width) => {
    const drawn = painted(layout);
    const family = getComputedStyle(document.body).fontFamily;
    drawn.font = { family, size: narrow ? 11 : 12, color: color("ink") };
    drawn.paper_bgcolor = drawn.plot_bgcolor = "rgba(0,0,0,0)";
    drawn.hoverlabel = { bgcolor: color("ground"), bordercolor: color("rule"), font: { color: color("ink"), family } };
    // On a phone a finger scrolls the page; it must not draw zoom boxes.
    drawn.dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
    if (width) drawn.width = width;
    for (const axis of Object.keys(drawn).filter((key) => /^[xy]axis\d*$/.test(key))) {
      Object.assign(drawn[axis], { gridcolor: color("grid"), linecolor: color("rule"), zerolinecolor: color("muted") });
      drawn[axis].title = { ...drawn[axis].title, font: { size: narrow ? 11 : 12, color: color("soft") } };
      if (narrow && axis.startsWith("x")) drawn[axis].nticks = 5;
    }
    return drawn;
  };

  const draw = (width) => {
    if (typeof Plotly === "undefined") return;
    for (const node of document.querySelectorAll(".plot")) {
      const { data, layout } = figures[node.dataset.figure];
      const narrow = (width || node.clientWidth) < 520;
      Plotly.react(node, painted(withX(data)), layoutOf(layout, narrow, width), {
        responsive: !width,
        displaylogo: false,
        modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
      });
    }
  };

  const compare = (a, b) => {
    const [x, y] = [a.dataset.sort, b.dataset.sort];
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
    const [p, q] = [Number(x), Number(y)];
    return Number.isNaN(p) || Number.isNaN(q) ? x.localeCompare(y) : p - q;
  };

  const sortBy = (head) => {
    const table = head.closest("table"), body = table.tBodies[0], place = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending" ||
      (head.classList.contains("number") && head.getAttribute("aria-sort") !== "descending");
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [a.cells[place], b.cells[place]];
      const missing = x.dataset.sort === undefined || y.dataset.sort === undefined;
      return compare(x, y) * (down && !missing ? -1 : 1);  // what is not measured stays last either way
    });
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  };

  for (const button of document.querySelectorAll("table.sortable th button")) {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  }
  const contents = document.querySelector("nav details");
  if (contents && matchMedia("(max-width: 1000px)").matches) contents.open = false;
  // What is folded on the screen is printed, too.
  const folded = [...document.querySelectorAll("details.folded")];
  let wasOpen = [];
  matchMedia("print").addEventListener("change", (print) => {
    if (print.matches) wasOpen = folded.filter((one) => one.open);
    for (const one of folded) one.open = print.matches || wasOpen.includes(one);
    draw(print.matches ? PRINT_WIDTH : undefined);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  draw();
  document.documentElement.dataset.drawn = "yes";
})();
