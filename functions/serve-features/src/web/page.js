// The page: asks the service's own JSON endpoints and shows what they say. Every text of an answer becomes a text node
// (`textContent`), never markup; the policy of the page's headers forbids anything else. The number is sent in bodies.
"use strict";

const SERVICE = "tollwatch.v1.FeatureService";
// A little more than the service takes by itself.
const TIMEOUT_MS = 15_000;

const MISSING = {
  MISSING_REASON_NO_CALLS: "no calls",
  MISSING_REASON_NO_SNAPSHOT: "no snapshot",
  MISSING_REASON_EXPIRED: "not kept",
  MISSING_REASON_UNAVAILABLE: "unavailable",
  MISSING_REASON_NO_RECORDS: "no records",
};
const SOURCES = { SOURCE_STREAM: "stream", SOURCE_BATCH: "batch", SOURCE_MERGED: "merged" };
const PARTIES = { PARTY_CALLER: "caller", PARTY_CALLEE: "callee" };
const LEVELS = { LEVEL_PHONE: "phone", LEVEL_PREFIX: "prefix", LEVEL_RANGE: "range" };
const GAPS = {
  DAY_GAP_REASON_NO_CALLS: "no calls were made, or none came",
  DAY_GAP_REASON_NO_INPUT: "no input: the calls begin later or end before",
  DAY_GAP_REASON_LEFT_OUT: "calls were left out",
};

const $ = (id) => document.getElementById(id);

/** Why a request was not answered. */
class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// --- asking -----------------------------------------------------------------------------------------------------------

let token = "";

/** Calls a method; a request that a newer one of its kind replaces is given up. */
async function call(method, request, signal) {
  const headers = {
    "Content-Type": "application/json",
    "Connect-Protocol-Version": "1",
    "Connect-Timeout-Ms": String(TIMEOUT_MS),
  };
  if (token) headers.Authorization = `Bearer ${token}`;
  const late = AbortSignal.timeout(TIMEOUT_MS + 1_000);
  let response;
  try {
    response = await fetch(`${SERVICE}/${method}`, {
      method: "POST",
      headers,
      body: JSON.stringify(request),
      cache: "no-store",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.any([signal, late]),
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Refused("unavailable", late.aborted ? "The service took too long: ask again." : "The service cannot be reached.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  const code = response.status === 401 ? "unauthenticated" : String(answer?.code ?? "unknown");
  throw new Refused(code, String(answer?.message ?? `The service answered with HTTP status ${response.status}.`));
}

let asking = new AbortController();
let drawing = new AbortController();
/** The features there are, once they were asked for. */
let catalog = null;
/** What the tables show. */
let shown = null;

async function ask() {
  asking.abort();
  drawing.abort();
  asking = new AbortController();
  const { signal } = asking;
  const about = { number: $("number").value.trim(), level: $("level").value, party: $("party").value };
  token = $("token").value.trim();
  busy(true);
  say("Asking …");
  show("problem", false);
  try {
    const series = call("GetSeries", about, signal).catch((error) => error);
    const [features, answer] = await Promise.all([catalog ?? call("ListFeatures", {}, signal), call("GetFeatures", about, signal)]);
    catalog = features;
    shown = { about, answer };
    renderAnswer(answer, features);
    renderSeries(await series, signal);
    show("answer", true);
    sayAnswered();
  } catch (error) {
    if (signal.aborted) return;
    show("answer", false);
    say("");
    refuse(error, about);
  }
  busy(false);
}

/** Another feature's charts for the same number. */
async function redraw() {
  drawing.abort();
  drawing = new AbortController();
  const { signal } = drawing;
  const [party, feature] = $("feature").value.split(":");
  say("Asking …");
  const series = await call("GetSeries", { ...shown.about, party, feature }, signal).catch((error) => error);
  if (signal.aborted) return;
  renderSeries(series, signal);
  sayAnswered(series instanceof Error ? "" : `Charts show ${feature}.`);
}

function sayAnswered(more = "") {
  say(`Answered for ${title(shown.answer)}. ${more}`.trim());
}

function refuse(error, about) {
  if (error.code === "unauthenticated") {
    const again = !$("token-field").hidden && token !== "";
    show("token-field", true);
    $("token").focus();
    problem("problem", again ? "The server does not know this token." : "The server asks for a token: give one above.");
  } else {
    problem("problem", error instanceof Refused ? inCharacters(error.message, about.number) : `The page failed: ${error.message}`);
  }
}

/** Programs are told how many bytes they sent; people count characters. */
function inCharacters(message, sent) {
  const count = [...sent].length;
  const told = message.replace(/^number of \d+ bytes:?/, `The number, ${count} character${count === 1 ? "" : "s"} long,`);
  // "At most 80 bytes": the same where a character is a byte.
  return count === new TextEncoder().encode(sent).length ? told.replace(/ bytes$/, " characters") : told;
}

// --- answers ----------------------------------------------------------------------------------------------------------

function title(answer) {
  const entity = answer.entity ?? {};
  const party = PARTIES[entity.party];
  return `${LEVELS[entity.level] ?? "phone"} ${entity.key ?? ""}${party ? ` as ${party}` : ""}`;
}

function renderAnswer(answer, features) {
  const listed = (id, texts) => $(id).replaceChildren(...texts.map((text) => element("li", {}, sentence(text))));
  const reasons = answer.degradedReasons ?? [];
  listed("degraded-reasons", reasons);
  show("degraded", reasons.length > 0);
  const gaps = (answer.dayGaps ?? []).map((gap) => {
    const days = gap.firstDate === gap.lastDate ? gap.firstDate : `${gap.firstDate} to ${gap.lastDate}`;
    return `${days}: ${GAPS[gap.reason] ?? "not said why"}`;
  });
  listed("gap-days", gaps);
  show("gaps", gaps.length > 0);

  const facts = [
    [`${capital(LEVELS[answer.entity?.level] ?? "phone")}`, answer.entity?.key ?? ""],
    ["As of", moment(answer.asOf)],
    ["Batch has all calls that arrived before", answer.completeForArrivalsBefore ? moment(answer.completeForArrivalsBefore) : "not said: the batch job was not told (--complete-before)"],
    ["Looked for a newer snapshot", answer.snapshotCheckedAt ? moment(answer.snapshotCheckedAt) : "no snapshot was read"],
  ];
  $("facts").replaceChildren(...facts.map(([name, text]) => element("div", {}, element("dt", {}, name), element("dd", {}, text))));
  $("version").textContent = `Feature set ${answer.featureSetVersion ?? ""}. All times are UTC.`;

  const byParty = Map.groupBy(answer.values ?? [], (value) => value.party);
  const tables = Object.keys(PARTIES).filter((party) => byParty.has(party));
  const about = new Map((features.features ?? []).map((feature) => [`${feature.party}:${feature.id}`, feature]));
  const made = tables.map((party) => featureTable(party, byParty.get(party), about, answer.asOf));
  $("tables").replaceChildren(...(made.length ? made : [element("p", {}, "No feature is computed for this level and side.")]));
  renderChoice(answer, features, tables);
}

/** What the charts can show. */
function renderChoice(answer, features, parties) {
  const level = answer.entity?.level ?? "LEVEL_PHONE";
  const groups = parties.map((party) => {
    const offered = (features.features ?? []).filter((feature) => feature.party === party && (feature.levels ?? []).includes(level));
    const names = new Map(offered.map((feature) => [feature.name, feature.about ?? ""]));
    const options = [...names].map(([name, text]) => element("option", { value: `${party}:${name}` }, text ? `${name}: ${text}` : name));
    return element("optgroup", { label: `As ${PARTIES[party]}` }, ...options);
  });
  $("feature").replaceChildren(...groups);
}

/** Characters that fit into a cell of a narrow screen. */
const LONG_VALUE = 12;

function featureTable(party, values, about, asOf) {
  const known = values.map((value) => ({ value, feature: about.get(`${party}:${value.id}`) ?? guess(value.id) }));
  const windows = [...new Set(known.map(({ feature }) => feature.window))].sort((one, other) => minutes(one) - minutes(other));
  const rows = Map.groupBy(known, ({ feature }) => feature.name);
  const inWindow = (window) => known.filter(({ feature }) => feature.window === window).map(({ value }) => value);
  const name = party === "PARTY_CALLER" ? "As caller" : "As callee";

  const columns = windows.map((window) => {
    const sources = new Set(inWindow(window).map((value) => SOURCES[value.source]).filter(Boolean));
    const kind = window === windows.find(isOfDays) ? "first-of-days" : "";
    return element("th", { scope: "col", role: "columnheader", class: kind }, window, element("small", {}, [...sources].join(", ") || "nothing read"));
  });
  const body = [...rows].map(([row, cells]) => {
    const text = cells[0].feature.about;
    const head = element("th", { scope: "row", role: "rowheader" }, ...breakable(row), text ? element("small", {}, text) : "");
    const byWindow = new Map(cells.map(({ feature, value }) => [feature.window, value]));
    const first = windows.find((window) => isOfDays(window) && byWindow.has(window));
    const made = windows.map((window) => valueCell(window, byWindow.get(window), window === first ? "first-of-days" : ""));
    const long = made.some((cell) => cell.firstChild?.length > LONG_VALUE);
    return element("tr", { role: "row", class: long ? "long" : "" }, head, ...made);
  });
  // Where there is little room its parts are no boxes of a table, and would not be parts of one without their roles.
  const table = element(
    "table",
    { class: "values", role: "table" },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, element("th", { scope: "col", role: "columnheader" }, "Feature"), ...columns)),
    element("tbody", { role: "rowgroup" }, ...body),
  );
  const id = `table-${PARTIES[party]}`;
  const note = (text, kind = "") => element("li", { class: kind }, text);
  const notes = [
    values.length < rows.size * windows.length && note("Shaded: not computed for that window.", "wide"),
    values.some((value) => value.relativeError) && note("≈ An estimate, with one standard error."),
    values.some((value) => value.duplicatesUnchecked) && note("† Calls are in it that were not checked for duplicates."),
    values.some((value) => value.gapDays) && note("‡ The window has days that the snapshot knows less of than all: see above."),
  ].filter(Boolean);
  return element(
    "section",
    { "aria-labelledby": id },
    element("h2", { id }, name),
    ...daysEnd(windows, inWindow, asOf),
    scrolling(table, `${name}: features by window`),
    element("ul", { class: "notes" }, ...notes),
    covered(windows, inWindow, name),
  );
}

/** A feature that the list does not have: the id alone says what it is. */
function guess(id) {
  const at = id.lastIndexOf("_");
  return { name: id.slice(0, at), window: id.slice(at + 1), about: "" };
}

function valueCell(window, value, place) {
  const cell = (kind, ...texts) => element("td", { class: `${kind} ${place}`.trim(), role: "cell", "data-label": window }, ...texts);
  if (!value) return cell("off");
  const text = number(value);
  if (text === null) return cell("none", MISSING[value.missingReason] ?? "missing");
  // Before the number: digits stay below each other.
  const marks = `${value.duplicatesUnchecked ? "† " : ""}${value.gapDays ? "‡ " : ""}${value.relativeError ? "≈ " : ""}`;
  const error = value.relativeError ? element("small", {}, `± ${rounded(value.relativeError * 100)} %`) : "";
  return cell("", `${marks}${text}`, error);
}

/** Says where windows of days end before the moment that was asked for: 1d would be taken for today. */
function daysEnd(windows, inWindow, asOf) {
  const ofDays = windows.filter(isOfDays).flatMap((window) => inWindow(window).map((value) => ({ window, value })));
  const before = ofDays.filter(({ value }) => value.source && Date.parse(value.windowEnd) < Date.parse(asOf));
  return [...Map.groupBy(before, ({ value }) => value.windowEnd)].map(([end, ended]) => {
    const named = [...new Set(ended.map(({ window }) => window))];
    const day = ended.find(({ window }) => window === "1d")?.value.windowStart.slice(0, 10);
    const which = day && named.length > 1 ? `: 1d is ${day}` : day ? `: it is ${day}` : "";
    const [verb, them] = named.length > 1 ? ["end", "them"] : ["ends", "it"];
    return element("p", { class: "ends" }, `${named.join(", ")} ${verb} at ${moment(end)} UTC, with the snapshot${which}. Later calls are not in ${them}.`);
  });
}

/** A name that may be broken behind its underscores. */
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part, place) => (place ? [element("wbr", {}), part] : [part]));
}

/** From when to when each window was counted. */
function covered(windows, inWindow, name) {
  const heads = ["Window", "Counted (UTC)", "Newest call", "Incomplete days"];
  const rows = windows.map((window) => {
    const values = inWindow(window);
    const newest = values.map((value) => value.newestEvent).filter(Boolean).sort().at(-1);
    const spans = new Set(values.map((value) => `${moment(value.windowStart)} to ${moment(value.windowEnd)}`));
    const gaps = Math.max(0, ...values.map((value) => value.gapDays ?? 0));
    const cells = [[...spans].join("; "), newest ? moment(newest) : "no call", gaps ? String(gaps) : "none"];
    const cell = (text, place) => element("td", { role: "cell", "data-label": heads[place + 1] }, text);
    return element("tr", { role: "row" }, element("th", { scope: "row", role: "rowheader" }, window), ...cells.map(cell));
  });
  const head = heads.map((head) => element("th", { scope: "col", role: "columnheader" }, head));
  const table = element(
    "table",
    { class: "coverage", role: "table" },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...head)),
    element("tbody", { role: "rowgroup" }, ...rows),
  );
  return element("details", {}, element("summary", {}, "What each window covers"), scrolling(table, `${name}: what each window covers`, "texts"));
}

// --- series -----------------------------------------------------------------------------------------------------------

function renderSeries(series, signal) {
  if (signal.aborted) return;
  const failed = series instanceof Error;
  const reasons = failed ? [] : (series.degradedReasons ?? []).filter((reason) => !(shown.answer.degradedReasons ?? []).includes(reason));
  if (failed) problem("series-problem", series.message);
  else if (reasons.length) problem("series-problem", reasons.map(sentence).join(" "));
  else show("series-problem", false);
  if (failed) return $("charts").replaceChildren();

  const chosen = `${series.entity?.party}:${series.feature}`;
  if ([...$("feature").options].some((option) => option.value === chosen)) $("feature").value = chosen;
  const clock = (point) => `${point.start.slice(11, 16)}`;
  const date = (point) => point.start.slice(0, 10);
  const charts = [
    ["minutes", "Last hour, minute by minute", "in a minute", clock],
    ["days", "Last 30 days (UTC)", "on a day", date],
  ];
  $("charts").replaceChildren(...charts.map(([kind, name, when, label]) => chart(kind, name, when, series[kind] ?? [], label, series.feature)));
}

const VIEW_HEIGHT = 100;
const STEP = 10;

function chart(kind, name, when, points, label, feature) {
  const known = points.filter((point) => quantity(point) !== null);
  if (points.length === 0) {
    return element("figure", {}, element("figcaption", {}, element("strong", {}, name)), element("p", {}, "The stream keeps no tiles of this level: nothing is known by the minute."));
  }
  const top = Math.max(0, ...known.map(quantity));
  const bottom = Math.min(0, ...known.map(quantity));
  const scale = top === bottom ? 0 : (VIEW_HEIGHT - 2) / (top - bottom);
  const height = (value) => Math.abs(value) * scale;
  const bars = points.map((point, place) => {
    const value = quantity(point);
    const text = said(point);
    const more = point.incomplete ? ` (${lacking(point, points)})` : "";
    // Over no calls a mean is none, which is known; a time of which nothing is known is shaded.
    const shaded = value === null && point.missingReason !== "MISSING_REASON_NO_CALLS";
    const at = place * STEP;
    const zero = 1 + top * scale;
    const size = value === null ? 0 : Math.max(height(value), value === 0 ? 0 : 1);
    const bar = shaded
      ? shape("rect", { class: "missing", x: at, y: 0, width: STEP, height: VIEW_HEIGHT })
      : shape("rect", { class: point.incomplete ? "incomplete" : "counted", x: at + 1, y: value < 0 ? zero : zero - size, width: STEP - 2, height: size });
    const hit = shape("rect", { class: "hit", x: at, y: 0, width: STEP, height: VIEW_HEIGHT });
    return shape("g", {}, bar, hit, shape("title", {}, `${label(point)}: ${text}${more}`));
  });
  const highest = known.length ? `highest ${said(known.reduce((most, point) => (quantity(point) > quantity(most) ? point : most)))} ${when}` : "nothing is known";
  const unknown = points.filter((point) => quantity(point) === null && point.missingReason !== "MISSING_REASON_NO_CALLS").length;
  const spoken = `${feature}, ${name.toLowerCase()}: ${highest}${unknown ? `, ${unknown} not known` : ""}. The table below has every value.`;
  const drawing = shape(
    "svg",
    { class: "chart", viewBox: `0 0 ${points.length * STEP} ${VIEW_HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": spoken },
    ...bars,
  );
  const middle = points[Math.floor(points.length / 2)];
  const axis = [points[0], middle, points.at(-1)].map((point) => element("span", {}, label(point)));
  return element(
    "figure",
    { id: `chart-${kind}` },
    element("figcaption", {}, element("strong", {}, name), element("small", {}, highest)),
    drawing,
    element("div", { class: "axis", "aria-hidden": "true" }, ...axis),
    pointTable(name, points, label),
  );
}

/** Why a point is pale, as far as the answer says it: the last one is running, and the legend has the reasons of others. */
function lacking(point, points) {
  return point === points.at(-1) ? "not over yet" : "may lack calls";
}

function pointTable(name, points, label) {
  const rows = points.toReversed().map((point) => {
    const note = [SOURCES[point.source], point.incomplete && lacking(point, points), point.duplicatesUnchecked && "duplicates not checked"];
    const cells = [said(point), note.filter(Boolean).join("; ")].map((text) => element("td", {}, text));
    return element("tr", {}, element("th", { scope: "row" }, label(point)), ...cells);
  });
  const heads = ["From", "Value", "Source"].map((head) => element("th", { scope: "col" }, head));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
  return element("details", {}, element("summary", {}, "As a table"), scrolling(table, `${name}: values`, "texts short"));
}

// --- values and texts -------------------------------------------------------------------------------------------------

const sixDigits = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** To six digits, but never to tens: a mean would be above the maximum that stands beside it. */
function rounded(value) {
  return (Math.abs(value) < 1e6 ? sixDigits : whole).format(value);
}

/** A value as text; `null` where there is none. Whole numbers come as texts and may have more digits than a double. */
function number(value) {
  if (value.integer !== undefined) return whole.format(BigInt(value.integer));
  if (value.number !== undefined) return Number.isFinite(Number(value.number)) ? rounded(Number(value.number)) : String(value.number);
  return null;
}

/** A point as text: its value and how far that may be off, or why there is none. */
function said(point) {
  const error = point.relativeError ? ` ± ${rounded(point.relativeError * 100)} %` : "";
  return `${number(point) ?? MISSING[point.missingReason] ?? "missing"}${error}`;
}

/** A value to draw; `null` where there is none. */
function quantity(value) {
  const drawn = Number(value.integer ?? value.number ?? NaN);
  return Number.isFinite(drawn) ? drawn : null;
}

/** `2026-11-21T17:06:05.004Z` as people write it, to the second. */
function moment(text) {
  return text ? `${text.slice(0, 10)} ${text.slice(11, 19)}` : "";
}

/** The length of a window such as `5m`, `24h` or `7d`, so that they can be put in order; a day is after 24 hours. */
function minutes(window) {
  const unit = { m: 1, h: 60, d: 1440.5 }[window.at(-1)] ?? Infinity;
  return Number.parseInt(window, 10) * unit;
}

function isOfDays(window) {
  return window.endsWith("d");
}

function sentence(text) {
  const capitalised = capital(text);
  return /[.!?]$/.test(capitalised) ? capitalised : `${capitalised}.`;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// --- the document -----------------------------------------------------------------------------------------------------

function build(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  // Strings become text nodes.
  made.append(...children);
  return made;
}

function element(name, attributes, ...children) {
  return build(document.createElement(name), attributes, children);
}

function shape(name, attributes, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

/** A table in a box that scrolls, by keyboard too, and that shows where there is more. */
function scrolling(table, label, kind = "") {
  const box = element("div", { class: `scroll ${kind}`, role: "region", "aria-label": label }, table);
  const hint = element("p", { class: "hint", hidden: "" }, "The table is wider than the screen: scroll it sideways.");
  const frame = element("div", { class: "frame" }, box);
  const mark = () => {
    const right = box.scrollWidth - box.clientWidth;
    const below = box.scrollHeight - box.clientHeight;
    frame.classList.toggle("more-right", box.scrollLeft < right - 1);
    frame.classList.toggle("more-below", box.scrollTop < below - 1);
    hint.hidden = right <= 0;
    if (right > 0 || below > 0) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  box.addEventListener("scroll", mark, { passive: true });
  const resized = new ResizeObserver(mark);
  resized.observe(box);
  resized.observe(table);
  return element("div", {}, hint, frame);
}

function show(id, visible) {
  $(id).hidden = !visible;
}

function say(text) {
  $("status").textContent = text;
}

function problem(id, text) {
  $(id).textContent = text;
  show(id, true);
}

function busy(is) {
  // Not `disabled`, which would take the focus away.
  $("show").setAttribute("aria-disabled", String(is));
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
$("feature").addEventListener("change", redraw);
