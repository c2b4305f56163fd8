"use strict";
// Draws the plots in the reader's colours (and in black on white for paper), hides series, sorts and filters the table.
const { plots, onDark } = JSON.parse(document.getElementById("figures").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");
const narrow = matchMedia("(max-width: 40rem)");
const coarse = matchMedia("(pointer: coarse)");
const drawings = [...document.querySelectorAll(".drawing")];
const hidden = new Set();
const LETTER = 0.56; // the width of a letter of a title, as a share of its height
const WITHIN = 0.85; // the share of a plot that an axis takes
const PAPER_WIDTH = { wide: 680, small: 320 };
let printing = false;

document.documentElement.classList.add("js");

function inColours(plot) {
  const swap = dark.matches && !printing;
  return JSON.parse(JSON.stringify(plot), (_, value) => (swap && onDark[value]) || value);
}

// The title of an axis on as many lines as it takes; Plotly would cut it off at a narrow plot's edges.
function wrapped(text, letters) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + 1 + word.length > letters) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  return lines.join("<br>");
}

function draw(node) {
  const { data, layout } = inColours(plots[node.dataset.plot]);
  for (const trace of data) trace.visible = !hidden.has(trace.meta);
  const small = node.closest(".small") !== null;
  layout.xaxis.title.text = wrapped(layout.xaxis.title.text, (WITHIN * node.clientWidth) / (LETTER * (small ? 11 : 12)));
  const axis = { automargin: true, zeroline: false, ticks: "", fixedrange: coarse.matches };
  const base = {
    height: small ? (narrow.matches ? 190 : 230) : 350, margin: { l: 8, r: 12, t: small || coarse.matches || printing ? 10 : 34, b: 8 }, showlegend: false, hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    dragmode: coarse.matches ? false : "zoom", // a finger scrolls the page
    font: { family: getComputedStyle(document.body).fontFamily, size: small ? 11 : 12 },
    legend: { orientation: "h", x: 0, xanchor: "left", y: 1, yanchor: "bottom" },
    autosize: !printing,
    ...(printing ? { width: PAPER_WIDTH[small ? "small" : "wide"] } : {}),
  };
  Plotly.react(node, data, {
    ...base, ...layout, xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
  }, { responsive: true, displaylogo: false, displayModeBar: coarse.matches ? false : "hover", modeBarButtons: [["toImage", "resetScale2d"]] });
}

const drawAll = () => drawings.forEach(draw);

function print(on) {
  if (printing === on) return;
  printing = on;
  if (on) for (const each of document.querySelectorAll("details")) each.open = true;
  drawAll();
}

drawAll();
dark.addEventListener("change", drawAll);
paper.addEventListener("change", (event) => print(event.matches));
addEventListener("beforeprint", () => print(true));
addEventListener("afterprint", () => print(false));

// The key: a press hides or shows a series.
const keys = [...document.querySelectorAll(".key [data-series]")];
const all = document.querySelector(".key .all");

function show(button, on) {
  button.setAttribute("aria-pressed", on);
  hidden[on ? "delete" : "add"](button.dataset.series);
}

function pressed() {
  if (all) all.textContent = hidden.size ? "show all" : "hide all";
  drawings.filter((node) => node.closest(".plots")).forEach(draw);
}

for (const button of keys) {
  button.addEventListener("click", () => {
    show(button, button.getAttribute("aria-pressed") === "false");
    pressed();
  });
}
all?.addEventListener("click", () => {
  const on = hidden.size > 0;
  for (const button of keys) show(button, on);
  pressed();
});

// Sortable tables: numbers as numbers, empty cells last.
function sort(body, rows, heading) {
  const up = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of heading.parentNode.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", up ? "ascending" : "descending");
  const numeric = heading.classList.contains("number");
  const value = ({ cells }) => {
    const cell = cells[heading.cellIndex];
    return numeric ? Number(cell.dataset.v ?? NaN) : cell.textContent;
  };
  const missing = (v) => v === "" || Number.isNaN(v);
  const keyed = rows.map((row) => [value(row), row]);
  keyed.sort(([a], [b]) => {
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    return (up ? 1 : -1) * (numeric ? a - b : a.localeCompare(b));
  });
  body.append(...keyed.map(([, row]) => row));
}

for (const table of document.querySelectorAll(".sortable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) sort(body, rows, button.closest("th"));
  });
}

// The filter of the table of all results: words of a series' name, or a percentage.
const filter = document.getElementById("filter");
const count = document.querySelector(".filter output");
const rows = [...document.querySelector("#results .sortable").tBodies[0].rows];
const known = rows.map(({ cells }) => [cells[0].textContent.toLowerCase(), cells[1].textContent]);
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = ([series, percentage]) =>
    words.every((word) => series.includes(word) || percentage === word.replace("%", ""));
  let shown = 0;
  rows.forEach((row, number) => {
    row.hidden = !matches(known[number]);
    shown += !row.hidden;
  });
  count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
});
