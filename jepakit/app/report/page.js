"use strict";

// A chart's cursor: every chart with the same data-sync shows the same place, so that curves can be read together.
const charts = [...document.querySelectorAll(".chart")].map((figure) => ({
  figure,
  plot: figure.querySelector(".plot"),
  cursor: figure.querySelector(".cursor"),
  label: figure.querySelector(".cursor b"),
  outputs: [...figure.querySelectorAll(".legend output")],
  curves: JSON.parse(figure.dataset.points),
}));
const latest = new Map(charts.flatMap((chart) => chart.outputs.map((output) => [output, output.textContent])));

function nearest(curve, u) {
  let best = 0;
  curve.u.forEach((value, index) => {
    if (Math.abs(value - u) < Math.abs(curve.u[best] - u)) best = index;
  });
  return best;
}

function show(chart, u, speak) {
  const main = chart.curves[0];
  if (!main.u.length) return;
  const index = nearest(main, u);
  chart.cursor.hidden = false;
  chart.cursor.style.left = `${100 * main.u[index]}%`;
  chart.label.textContent = main.x[index];
  chart.label.className = main.u[index] > 0.75 ? "left" : "";
  chart.cursor.querySelectorAll("i").forEach((dot) => dot.remove());
  chart.curves.forEach((curve, place) => {
    if (!curve.u.length) return;
    const at = nearest(curve, main.u[index]);
    chart.outputs[place].textContent = curve.y[at];
    const dot = document.createElement("i");
    dot.className = chart.outputs[place].parentElement.className;
    dot.style.bottom = `${100 * curve.v[at]}%`;
    chart.cursor.append(dot);
  });
  chart.outputs.forEach((output) => output.setAttribute("aria-live", speak ? "polite" : "off"));
}

function together(chart, u) {
  charts.filter((other) => other.figure.dataset.sync === chart.figure.dataset.sync)
    .forEach((other) => show(other, u, other === chart));
}

function hide() {
  charts.forEach((chart) => {
    chart.cursor.hidden = true;
    chart.outputs.forEach((output) => { output.textContent = latest.get(output); });
  });
}

charts.forEach((chart) => {
  let at = 0;
  chart.plot.addEventListener("pointermove", (event) => {
    const box = chart.plot.getBoundingClientRect();
    together(chart, (event.clientX - box.left) / box.width);
  });
  chart.plot.addEventListener("pointerleave", hide);
  chart.figure.addEventListener("blur", hide);
  chart.figure.addEventListener("keydown", (event) => {
    const last = chart.curves[0].u.length - 1;
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last };
    if (event.key === "Escape") hide();
    if (!(event.key in moves)) return;
    event.preventDefault();
    at = Math.max(0, Math.min(last, moves[event.key]));
    together(chart, chart.curves[0].u[at]);
  });
});

// Storage is refused to some pages that are opened from a file: the choice then lasts as long as the page.
function remember(theme) {
  try { localStorage.setItem("jepakit-theme", theme); } catch (refused) { return; }
}
function remembered() {
  try { return localStorage.getItem("jepakit-theme"); } catch (refused) { return null; }
}
const root = document.documentElement;
if (remembered()) root.dataset.theme = remembered();
document.getElementById("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  remember(root.dataset.theme);
});
