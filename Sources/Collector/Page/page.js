// The wall screen's script. It writes texts only, never markup.
//
// Numbers come by Server-Sent Events from /v1/live: `whole` once, then `change`, and `beat` while nothing happens. A stream
// that ends, or says nothing for SILENCE ms, shows at once as *not updated since*, and is opened again.
'use strict';

const SILENCE = 12000;
const LONGEST_WAIT = 5000;
const FIVE_MINUTES = 300000;

const words = JSON.parse(document.body.dataset.words);
const byId = (id) => document.getElementById(id);
const grouped = new Intl.NumberFormat('en');
const format = (number) => grouped.format(number);

// MARK: Texts

function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/// Both languages of a text, Chinese first.
function both(chinese, english) {
  return [['zh-Hans', chinese], ['en', english]].map(([language, text]) => {
    const part = make('span', '', text);
    part.lang = language;
    return part;
  });
}

/// A name that is the same in both stands once.
function named(chinese, english) {
  const parts = both(chinese, english);
  return chinese === english ? [parts[0]] : [parts[0], ' ', parts[1]];
}

function said(word) {
  const [chinese, english] = both(...words[word]);
  return [chinese, ' ', english];
}

function show(id, number) {
  const text = number === null || number === undefined ? '–' : format(number);
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

// MARK: Where the numbers come from

let shown = null;       // the newest numbers
let heard = null;       // { at: performance.now(), asOf: ms since 1970 } of the newest event
let isLive = false;
let wait = 1000;
const flow = new Map(); // start of five minutes → { in, out, … }

function open() {
  const stream = new EventSource('/v1/live');
  let lastEvent = performance.now();

  function take(event) {
    const news = JSON.parse(event.data);
    lastEvent = performance.now();
    heard = { at: lastEvent, asOf: news.as_of_ms };
    isLive = true;
    wait = 1000;
    return news;
  }

  function showNews(event, isWhole) {
    const news = take(event);
    // The collector has a newer page than this one.
    if (news.page !== document.body.dataset.page) {
      location.reload();
      return;
    }
    if (isWhole) flow.clear();
    for (const minutes of news.flow) flow.set(minutes.at_ms, minutes);
    shown = news;
    showAll();
  }

  function away() {
    isLive = false;
    showState();
    if (shown) fitAll();
  }

  function again() {
    clearInterval(watch);
    stream.close();
    away();
    setTimeout(retry, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }

  stream.addEventListener('whole', (event) => showNews(event, true));
  stream.addEventListener('change', (event) => showNews(event, false));
  stream.addEventListener('beat', (event) => { take(event); showState(); });
  stream.onerror = () => {
    // After a lost connection the browser tries again by itself, after a refusal it does not.
    if (stream.readyState === EventSource.CLOSED) again(); else away();
  };
  const watch = setInterval(() => { if (performance.now() - lastEvent > SILENCE) again(); }, 1000);
}

/// Whose token is not good any more is led to the login.
async function retry() {
  try {
    const answer = await fetch('/v1/tallies', { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(5000) });
    if (answer.status === 401) location.assign('/login');
  } catch (error) {
    // It is away: the stream tells.
  }
  open();
}

// MARK: Numbers

function showAll() {
  const { today } = shown;
  show('people', shown.on_site_people);
  show('in', today.in);
  show('holders', today.distinct_holders);
  show('out', today.out);
  show('vehicles', shown.on_site_vehicles);
  show('vehicles-in', today.vehicles_in);
  show('distinct-vehicles', today.distinct_vehicles);
  show('vehicles-out', today.vehicles_out);
  show('refused', today.refused);
  for (const [key, count] of Object.entries(shown.refusals_today_by_key)) show('refused-' + key, count);
  showBadges();
  showEntrances();
  showZones();
  showAlerts();
  showLanes();
  showState();
  fitAll();
  showFlow();
}

function showBadges() {
  byId('no-badges').hidden = shown.badges !== null;
  byId('badges').hidden = shown.badges === null;
  for (const badge of shown.badges ?? []) {
    for (const count of ['issued', 'activated', 'used']) show(badge.kind + '-' + count, badge[count]);
  }
}

/// A part of 1 as a bar.
function bar(part, className) {
  const fill = make('i');
  fill.style.width = Math.max(0, Math.min(100, part * 100)).toFixed(1) + '%';
  return make('span', className ? 'bar ' + className : 'bar', fill);
}

function showEntrances() {
  const most = Math.max(1, ...shown.entrances.map((entrance) => entrance.entries));
  const rows = shown.entrances.map((entrance, index) => {
    const name = make('th', '', make('div', 'name', ...named(entrance.name_zh, entrance.name_en)),
      bar(entrance.entries / most));
    name.scope = 'row';
    const row = make('tr', '', make('td', 'rank', String(index + 1)), name,
      make('td', 'recent', format(entrance.recent)), make('td', 'entries', format(entrance.entries)));
    row.dataset.entrance = entrance.entrance;
    return row;
  });
  byId('entrances').replaceChildren(...rows);
  byId('entrances').parentElement.hidden = rows.length === 0;
  byId('no-entrances').hidden = rows.length > 0;
}

function fullness(zone) {
  const of = (count, limit) => (limit ? count / limit : 0);
  return Math.max(of(zone.people, zone.limit), of(zone.vehicles, zone.vehicle_limit));
}

function showZones() {
  // The fullest first: it is the one that somebody has to do something about.
  const zones = shown.zones.slice().sort((a, b) =>
    fullness(b) - fullness(a) || b.people - a.people || (a.zone < b.zone ? -1 : 1));
  const most = Math.max(1, ...zones.map((zone) => zone.people));
  const rows = zones.map((zone) => {
    const full = fullness(zone);
    const state = full >= 1 ? 'full' : full >= 0.9 ? 'near' : '';
    const count = make('span', 'count', make('b', '', format(zone.people)));
    if (zone.limit) count.append(' / ' + format(zone.limit));
    const name = make('span', 'name', ...named(zone.name_zh, zone.name_en));
    if (state) name.append(' ', make('mark', '', ...said(state === 'full' ? 'full' : 'nearLimit')));
    const row = make('li', state, name, count, bar(zone.limit ? zone.people / zone.limit : 0.5 * zone.people / most,
      zone.limit ? '' : 'unlimited'));
    if (zone.vehicles !== 0 || zone.vehicle_limit) {
      row.append(make('small', '', ...said('vehicles'), ' ' + format(zone.vehicles)
        + (zone.vehicle_limit ? ' / ' + format(zone.vehicle_limit) : '')));
    }
    row.dataset.zone = zone.zone;
    return row;
  });
  byId('zones').replaceChildren(...rows);
  byId('no-zones').hidden = rows.length > 0;
}

/// After everything else: what stands above these lists is as high as it will be.
function fitAll() {
  fit(byId('entrances'), byId('more-entrances'), shown.entrance_count - shown.entrances.length);
  fit(byId('zones'), byId('more-zones'), 0);
}

/// On a wall nobody scrolls: rows that do not fit are hidden from the end, and their number is said.
function fit(list, more, beyond) {
  const box = list.closest('section');
  const rows = [...list.children];
  for (const row of rows) row.hidden = false;
  let hidden = beyond;
  const tell = () => {
    more.hidden = hidden === 0;
    more.replaceChildren(...both(words.more[0] + ' ' + format(hidden), format(hidden) + ' ' + words.more[1])
      .flatMap((part) => [part, ' ']));
  };
  tell();
  for (const row of rows.reverse()) {
    if (box.scrollHeight <= box.clientHeight + 1) break;
    row.hidden = true;
    hidden += 1;
    tell();
  }
}

function showAlerts() {
  const alerts = [];
  const add = (className, word, before, after) => {
    alerts.push(make('li', className, ...(before ? [make('b', '', before), ' '] : []), ...said(word),
      ...(after ? [' ', make('b', '', after)] : [])));
  };
  if (!shown.is_storing) add('alarm', 'notStoring');
  if (shown.inside_without_keys > 0) add('alarm', 'insideWithoutKeys', format(shown.inside_without_keys));
  const { tampered, tampered_names: names } = shown.lanes;
  if (tampered > 0) add('alarm', 'tampered', '', names.join('、') + (tampered > names.length ? ' …' : ''));
  if (shown.inside_without_keys === null && shown.badges !== null) add('warning', 'insideNotKnown');
  byId('alerts').replaceChildren(...alerts);
  byId('alerts').hidden = alerts.length === 0;
}

function showLanes() {
  const { known, silent, missing } = shown.lanes;
  const parts = [make('span', '', make('b', '', format(known - silent) + ' / ' + format(known)), ' ', ...said('lanes'))];
  if (silent > 0) {
    const names = shown.lanes.silent_names.slice(0, 2).join('、') + (silent > 2 ? ' …' : '');
    parts.push(make('span', 'warning', make('b', '', format(silent)), ' ', ...said('lanesSilent'), ' ', names));
  }
  if (missing > 0) parts.push(make('span', 'warning', make('b', '', format(missing)), ' ', ...said('missing')));
  if (shown.is_corrected) parts.push(make('span', '', ...said('corrected')));
  byId('lanes').replaceChildren(...parts);
}

// MARK: Time

function clock(instant, options) {
  return new Date(instant).toLocaleString('sv-SE', { timeZone: shown?.time_zone ?? 'UTC', ...options });
}

const DATE = { year: 'numeric', month: '2-digit', day: '2-digit' };
const TIME = { hour: '2-digit', minute: '2-digit' };

/// The collector's time, not this computer's: what stands on the wall is what is counted by.
function showState() {
  const state = byId('state');
  document.body.classList.toggle('stale', heard !== null && !isLive);
  if (heard === null) {
    state.replaceChildren(...said('connecting'));
    return;
  }
  if (isLive) {
    state.replaceChildren(...said('live'));
  } else {
    state.replaceChildren(...said('staleSince'), ' ', make('b', '', clock(heard.asOf, { ...DATE, ...TIME, second: '2-digit' })));
  }
  const now = heard.asOf + performance.now() - heard.at;
  byId('clock').replaceChildren(make('span', '', clock(now, DATE)), ' ', make('b', '', clock(now, TIME)));
}

// MARK: The chart

let chart = null;

function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

function showFlow() {
  if (typeof Chart === 'undefined') {
    byId('no-chart').hidden = false;
    byId('flow').parentElement.hidden = true;
    return;
  }
  const running = Math.floor(shown.as_of_ms / FIVE_MINUTES) * FIVE_MINUTES;
  const points = (name) => {
    const points = [];
    for (let at = shown.begins_ms; at <= running && at < shown.ends_ms; at += FIVE_MINUTES) {
      points.push({ x: at, y: flow.get(at)?.[name] ?? 0 });
    }
    return points;
  };
  if (!chart) chart = makeChart();
  chart.data.datasets[0].data = points('in');
  chart.data.datasets[1].data = points('out');
  Object.assign(chart.options.scales.x, { min: shown.begins_ms, max: shown.ends_ms });
  dress();
}

function makeChart() {
  const line = { pointRadius: 0, stepped: 'before', borderJoinStyle: 'round' };
  return new Chart(byId('flow'), {
    type: 'line',
    data: { datasets: [{ ...line, fill: 'origin' }, { ...line, borderDash: [6, 4] }] },
    options: {
      animation: false, responsive: true, maintainAspectRatio: false, parsing: false, normalized: true, events: [],
      plugins: { legend: { display: false }, tooltip: { enabled: false } },
      scales: {
        x: {
          type: 'linear', grid: {},
          ticks: { maxRotation: 0, autoSkip: true, autoSkipPadding: 12, callback: (at) => clock(at, TIME) },
          afterBuildTicks: (axis) => {
            axis.ticks = [];
            for (let at = axis.min; at <= axis.max; at += 3 * 3600000) axis.ticks.push({ value: at });
          },
        },
        y: { min: 0, suggestedMax: 10, grid: {}, ticks: { precision: 0, maxTicksLimit: 5, callback: format } },
      },
    },
  });
}

/// The chart's colours and sizes are those of the style sheet, by day and by night.
function dress() {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const [into, out] = chart.data.datasets;
  Object.assign(into, { borderColor: colour('--accent'), backgroundColor: colour('--accent-faint'), borderWidth: rem / 7 });
  Object.assign(out, { borderColor: colour('--second'), borderWidth: rem / 7 });
  for (const axis of Object.values(chart.options.scales)) {
    axis.ticks.color = colour('--faint');
    axis.ticks.font = { size: 1.15 * rem, family: getComputedStyle(document.body).fontFamily };
    axis.grid.color = colour('--line');
  }
  chart.update('none');
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (chart) dress(); });
addEventListener('resize', () => { if (shown) showAll(); });
for (const swatch of document.querySelectorAll('[data-colour]')) swatch.style.background = swatch.dataset.colour;
setInterval(showState, 1000);
showState();
open();
