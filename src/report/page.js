// Draws the page's figures (Vega-Lite specifications in <script data-spec>), shows clips, switches the theme.
"use strict";

const blue = "#0072B2", orange = "#E69F00";
const palette = [blue, orange, "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C8C"];  // as in figures/charts.cc
const font = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

// Vega configuration of all figures; page.css sets the colours of text and lines.
function look(width) {
  return {
    background: "white", font, padding: 4,
    axis: { gridColor: "#e4e4e0", domain: false, tickColor: "#e4e4e0", tickSize: 4, labelPadding: 4, labelFontSize: 11.5, labelColor: "#555",
            titleFontSize: 12, titleFontWeight: 400, titleColor: "#333", titlePadding: 8, labelLimit: 140 },
    axisX: { grid: false },
    view: { stroke: null },
    header: { labelFontSize: 12, labelFontWeight: 600, labelColor: "#333", labelPadding: 6 },
    legend: { orient: "top", titleOrient: "left", titleFontSize: 12, titleFontWeight: 400, titleColor: "#555", titlePadding: 10, labelFontSize: 12,
              symbolSize: 90, symbolStrokeWidth: 2.5, columns: Math.max(1, Math.floor((width - 60) / 110)), columnPadding: 16, gradientLength: Math.min(220, width / 2),
              layout: { top: { direction: "vertical", anchor: "start", margin: 6 } } },
    facet: { spacing: 24 },
  };
}

// The specification for this width in pixels: a single view fills it, panels share it.
function fitted(spec, width) {
  spec = structuredClone(spec);
  delete spec.title;  // shown in the caption
  if (spec.spec) {
    spec.columns = Math.max(1, Math.min(spec.columns, Math.floor(width / 200)));
    spec.spec.width = Math.floor((width - 70) / spec.columns - 26);
  } else {
    spec.width = Math.min(width, 860);
    spec.autosize = { type: "fit-x", contains: "padding" };
  }
  return spec;
}

// Makes panels narrower if their axes took more room than estimated.
async function shrink(view, place, columns) {
  const excess = place.querySelector("svg.marks").getBoundingClientRect().width - place.clientWidth;
  const width = view.signal("child_width");
  if (excess > 0) await view.signal("child_width", Math.max(60, Math.floor(width - excess / columns - 1))).resize().runAsync();
}

async function draw(place, spec, name) {
  const width = place.clientWidth;
  place.drawnAt = width;
  const fit = fitted(spec, width);
  const { view } = await vegaEmbed(place, fit, {
    renderer: "svg", config: look(width), tooltip: { theme: "custom" }, downloadFileName: name, scaleFactor: 2,
    actions: { export: true, source: false, compiled: false, editor: false },
  });
  if (fit.spec) await shrink(view, place, fit.columns);
  // Clear the selection when the colour switches between labels and speakers.
  if (fit.params?.some(p => p.name === "colour_by"))
    view.addSignalListener("colour_by", () => setTimeout(() => view.data("picked_store", []).runAsync()));
  place.classList.add("drawn");
  return view;
}

// Figures of one block of class "choose" are shown one at a time, chosen by their captions.
for (const block of document.querySelectorAll(".figures.choose")) {
  const figures = [...block.querySelectorAll(":scope > figure")];
  if (figures.length < 2) continue;
  const choice = document.createElement("select");
  choice.setAttribute("aria-label", "Figure");
  const show_only = number => figures.forEach((figure, i) => { figure.hidden = i !== number; });
  for (const figure of figures) {
    choice.add(new Option(figure.querySelector("figcaption").textContent));
    figure.querySelector("figcaption").hidden = true;
  }
  choice.addEventListener("change", () => { show_only(choice.selectedIndex); window.drawn = draw_all(); });
  block.prepend(choice);
  show_only(0);
}

const specs = new Map([...document.querySelectorAll("script[data-spec]")].map(s => [s.dataset.spec, JSON.parse(s.textContent)]));
const places = [...document.querySelectorAll(".plot[data-figure]")];

// Draws the figures that are shown and not drawn at their width yet, one after another so that the page stays
// responsive, those nearest to the screen first. Figures in a folded chapter have no width.
async function draw_all() {
  const waiting = places.filter(place => place.clientWidth > 0 && Math.abs(place.clientWidth - (place.drawnAt ?? 0)) > 8);
  const distance = place => Math.abs(place.getBoundingClientRect().top);
  while (waiting.length > 0) {
    waiting.sort((a, b) => distance(a) - distance(b));
    const place = waiting.shift();
    await draw(place, specs.get(place.dataset.figure), place.dataset.figure);
    await new Promise(resolve => setTimeout(resolve));
  }
}

let resized;
window.addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => { window.drawn = draw_all().then(show_chosen); }, 250);
});

// A folded chapter is drawn when it is opened; a link into a folded chapter opens it.
for (const chapter of document.querySelectorAll("details.chapter"))
  chapter.addEventListener("toggle", () => { if (chapter.open) window.drawn = draw_all().then(show_chosen); });

function open_target() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const chapter = target && target.closest("details.chapter");
  if (!chapter || chapter.open) return;
  chapter.open = true;
  target.scrollIntoView();
}
window.addEventListener("hashchange", open_target);
for (const link of document.querySelectorAll('a[href^="#"]'))
  link.addEventListener("click", () => setTimeout(open_target));
window.addEventListener("beforeprint", () => { for (const chapter of document.querySelectorAll("details.chapter")) chapter.open = true; });

// Clips

const explorer = JSON.parse(document.getElementById("explorer-data")?.textContent ?? '{"classes": [], "clips": []}');
let chosen = 0;

// Class probabilities by layer. parts: {name in the legend: rows of probabilities, the first of the embedding}; the
// second part is dashed.
function layer_spec(parts, legend) {
  const values = [];
  for (const [name, rows] of Object.entries(parts))
    rows.forEach((row, i) => row.forEach((p, c) => values.push({ part: name, layer: i - 1, class: explorer.classes[c], value: p })));
  const encoding = {
    x: { field: "layer", type: "quantitative", axis: { title: "layer", tickMinStep: 1, format: "d", labelExpr: "datum.value === -1 ? 'emb' : datum.label" }, scale: { nice: false, padding: 8 } },
    y: { field: "value", type: "quantitative", axis: { title: "probability" }, scale: { domain: [0, 1] } },
    color: { field: "class", type: "nominal", scale: { domain: explorer.classes, range: palette }, legend: { title: null } },
  };
  const dash = { field: "part", type: "nominal", scale: { domain: Object.keys(parts), range: [[1, 0], [4, 3]] }, legend: legend && { title: legend } };
  const tooltip = [{ field: "class" }, ...(legend ? [{ field: "part", title: legend }] : []), { field: "layer" }, { field: "value", type: "quantitative", format: ".3f", title: "probability" }];
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json", description: "Class probabilities layer by layer", data: { values }, height: 230, encoding,
    layer: [{ mark: { type: "line", strokeWidth: 2, tooltip: null }, encoding: { strokeDash: dash } },
            { mark: { type: "point", filled: true, size: 200, opacity: 0 }, encoding: { tooltip } }],
  };
}

// What each attention head adds to the true class's logit.
function heads_spec(clip) {
  const values = clip.heads.flatMap((row, layer) => row.map((value, head) => ({ layer, head, value })));
  const most = Math.max(...values.map(v => Math.abs(v.value)), 1e-9);
  const tooltip = [{ field: "layer" }, { field: "head" }, { field: "value", type: "quantitative", format: "+.3f", title: "added" }];
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json", description: "Shares of attention heads", data: { values }, height: { step: 18 }, mark: { type: "rect", tooltip: null },
    encoding: {
      x: { field: "head", type: "ordinal", axis: { title: "attention head", labelAngle: 0 } }, y: { field: "layer", type: "ordinal", sort: "descending", axis: { title: "layer" } },
      color: { field: "value", type: "quantitative", scale: { scheme: "blueorange", domain: [-most, most] }, legend: { title: "added to the logit" } }, tooltip,
    },
  };
}

// The clip highlighted in the t-SNE plot that contains its coordinates.
function place_spec(clip) {
  const close = (a, b) => Math.abs(a - b) <= 1e-3 * Math.abs(b);
  const is_place = p => p.id === clip.id && clip.place && close(p.x, clip.place[0]) && close(p.y, clip.place[1]);
  for (const spec of specs.values()) {
    const at = spec.usermeta?.figure?.kind === "scatter" && spec.data.values.find(is_place);
    if (!at) continue;
    const points = spec.data.values.filter(p => p.panel === at.panel);
    const axis = { labels: false, ticks: false, title: null, grid: false };
    const encoding = {
      x: { field: "x", type: "quantitative", axis, scale: { zero: false, padding: 8 } }, y: { field: "y", type: "quantitative", axis, scale: { zero: false, padding: 8 } },
      color: { field: "label", type: "nominal", scale: { domain: explorer.classes, range: palette }, legend: null },
      tooltip: [{ field: "id", title: "clip" }, { field: "label" }, { field: "speaker" }],
    };
    return {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json", description: "Place in the t-SNE", title: [spec.title, at.panel].filter(Boolean).join(", "), height: 230, encoding,
      layer: [{ data: { values: points }, mark: { type: "point", filled: true, size: 22, opacity: 0.35 } },
              { data: { values: [at] }, mark: { type: "point", filled: true, size: 110, opacity: 1 } },
              { data: { values: [at] }, mark: { type: "point", size: 320, strokeWidth: 1.5, opacity: 1, color: "#8C8C8C" }, encoding: { color: { value: "#8C8C8C" } } }],
    };
  }
  return null;
}

function element(name, text, more = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, more);
}

async function add_figure(panel, caption, spec, name) {
  const figure = element("figure", ""), place = element("div", "", { className: "plot" });
  figure.append(element("figcaption", caption), place);
  panel.append(figure);
  await draw(place, spec, name);
}

function player(clip) {
  const segment = clip.end === undefined ? "" : `#t=${clip.start},${clip.end}`;
  const audio = element("audio", "", { controls: true, preload: "none", src: clip.url + segment });
  const missing = element("p", `${clip.path} cannot be played from here.`, { className: "notes", hidden: true });
  audio.addEventListener("error", () => { missing.hidden = false; });
  return [audio, missing];
}

async function show(number) {
  chosen = number;
  for (const button of document.querySelectorAll(".chooser button")) button.setAttribute("aria-pressed", Number(button.dataset.clip) === number);
  const clip = explorer.clips[number], panel = document.querySelector(".clip");
  const verdict = clip.predicted === clip.label ? `${clip.label}, and taken for it` : `${clip.label}, taken for ${clip.predicted}`;
  const facts = [`${verdict} (${clip.confidence.toFixed(3)})`, clip.speaker && `speaker ${clip.speaker}`, clip.text && `“${clip.text}”`].filter(Boolean);
  panel.replaceChildren(element("h3", clip.id), element("p", facts.join(" · ")), ...player(clip));
  await add_figure(panel, "The head's prediction after each layer", layer_spec({ on: clip.adapted ?? [], off: clip.frozen ?? [] }, "adapter"), "clip-layers");
  if (clip.patched && chosen === number) {
    const caption = "Where the adaptation makes the answer: the frozen model's prediction when one layer's output is the adapted model's";
    await add_figure(panel, caption, layer_spec({ patched: clip.patched }, null), "clip-patched");
  }
  if (clip.heads && chosen === number) await add_figure(panel, `What each attention head of the adapted model adds to the logit of ${clip.label}`, heads_spec(clip), "clip-heads");
  const place = place_spec(clip);
  if (place && chosen === number) await add_figure(panel, place.title, place, "clip-place");
}

// Draws the chosen clip if it can be seen.
async function show_chosen() {
  const panel = document.querySelector(".clip");
  if (explorer.clips.length > 0 && panel.clientWidth > 0 && panel.clientWidth !== panel.drawnAt) {
    panel.drawnAt = panel.clientWidth;
    await show(chosen);
  }
}

for (const button of document.querySelectorAll(".chooser button")) button.addEventListener("click", () => show(Number(button.dataset.clip)));

// Theme and contents

document.querySelector(".theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("loralens-theme", root.dataset.theme);
  } catch (error) {
    // localStorage is not available: the theme is not saved.
  }
});

if (matchMedia("(max-width: 62rem)").matches) document.querySelector(".side details").open = false;

const links = new Map([...document.querySelectorAll(".side a")].map(a => [a.hash.slice(1), a]));
const watch = new IntersectionObserver(entries => {
  for (const entry of entries)
    if (entry.isIntersecting) {
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
}, { rootMargin: "-15% 0px -75% 0px" });
for (const section of document.querySelectorAll("main section, main details.chapter")) watch.observe(section);

// Resolves when all figures that are shown are drawn.
window.drawn = draw_all().then(show_chosen);
open_target();
