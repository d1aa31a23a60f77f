// Days gone by: what /v1/history says of a day or an hour, beside another day when one is chosen. What is shown stands in
// the page's address, so that it can be sent to somebody. What it shares with other pages is in desk.js.
'use strict';

const timeZone = document.body.dataset.timeZone;
const form = byId('question');

function tell(word, detail = '', isAlarm = false) {
  const told = byId('told');
  told.hidden = word === null;
  told.className = isAlarm ? 'alarm' : 'empty';
  told.replaceChildren(...(word === null ? [] : said(word)), detail ? ` · ${detail}` : '');
}

// MARK: The question

const fields = ['day', 'compare', 'hour', 'lane', 'by'];

function question() {
  return Object.fromEntries(fields.map((name) => [name, form.elements[name].value]));
}

function query(asked, day) {
  const query = new URLSearchParams({ day, by: asked.by });
  if (asked.hour !== '') query.set('hour', asked.hour);
  if (asked.lane !== '') query.set('lane', asked.lane);
  return query;
}

// MARK: The answer

/// What a row is of: its key, to find the same one in another day, and its name.
function named(by, row, begins) {
  switch (by) {
    case 'hour': {
      // Of days with the clocks set, the same hour behind the day's beginning.
      const time = new Date(row.at_ms).toLocaleTimeString('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' });
      return { key: String(Math.round((row.at_ms - begins) / 3600000)).padStart(2, '0'), name: [time, time] };
    }
    case 'lane': return { key: row.lane, name: [row.name, row.name] };
    case 'entrance': return { key: row.entrance, name: [row.name_zh, row.name_en] };
    case 'zone': return { key: row.zone, name: [row.name_zh, row.name_en] };
    case 'kind': return { key: row.kind, name: words[`kind-${row.kind}`] ?? [row.kind, row.kind] };
    default: return { key: row.reason, name: words[`reason-${row.reason}`] ?? [row.reason, row.reason] };
  }
}

/// The counts that any row has; with another day beside, only those that are compared mostly.
function columnsOf(rows, isCompared) {
  const all = Object.keys(rows[0] ?? {}).filter((name) => words[`count-${name}`]);
  if (!isCompared) return all.filter((name) => rows.some((row) => row[name] !== 0) || ['in', 'out'].includes(name));
  const most = all.filter((name) => ['in', 'out', 'refused', 'passed', 'vehicles_in'].includes(name));
  return most.filter((name) => rows.some((row) => row[name] !== 0)).concat(most.length ? [] : all).slice(0, 3);
}

const count = (row, name) => row?.[name] ?? 0;
const cell = (number) => make('td', '', grouped.format(number));

function differenceCell(number) {
  return make('td', number < 0 ? 'less' : number > 0 ? 'more' : '', (number > 0 ? '+' : '') + grouped.format(number));
}

function showTable(asked, first, second) {
  const one = new Map();
  const two = new Map();
  const names = new Map();
  for (const [answer, into] of [[first, one], [second, two]]) {
    for (const row of answer?.rows ?? []) {
      const { key, name } = named(asked.by, row, answer.begins_ms);
      into.set(key, row);
      names.set(key, names.get(key) ?? name);
    }
  }
  const rows = [...one.values(), ...two.values()];
  const columns = columnsOf(rows, second !== null);
  // Kinds and reasons have an order of their own; hours and names are sorted.
  const keys = [...names.keys()];
  if (['hour', 'lane', 'entrance', 'zone'].includes(asked.by)) keys.sort();

  const head = make('tr', '', make('th', '', ...said(`by-${asked.by}`)));
  for (const name of columns) {
    if (second === null) {
      head.append(make('th', '', ...said(`count-${name}`)));
    } else {
      head.append(make('th', '', ...said(`count-${name}`), make('span', '', first.day)), make('th', '', second.day),
                  make('th', '', ...said('difference')));
    }
  }
  for (const th of head.children) th.scope = 'col';
  const line = (label, row, other) => {
    const header = make('th', '', ...label);
    header.scope = 'row';
    const cells = columns.flatMap((name) => second === null
      ? [cell(count(row, name))]
      : [cell(count(row, name)), cell(count(other, name)), differenceCell(count(row, name) - count(other, name))]);
    return make('tr', '', header, ...cells);
  };
  const sumOf = (from) => Object.fromEntries(
    columns.map((name) => [name, [...from.values()].reduce((sum, row) => sum + count(row, name), 0)]));
  byId('head').replaceChildren(head);
  byId('rows').replaceChildren(...keys.map((key) => line(both(names.get(key)), one.get(key), two.get(key))));
  // One refusal may have several reasons, and one person may walk through several zones: a sum is no number of people.
  const hasSum = rows.length > 0 && !['reason', 'zone'].includes(asked.by);
  byId('sum').replaceChildren(...(hasSum ? [line(said('sum'), sumOf(one), sumOf(two))] : []));
  byId('table').hidden = rows.length === 0;
}

let chart = null;

/// In and out by hour, of one day or of two.
function showChart(asked, first, second) {
  const section = byId('chart').closest('section');
  const isShown = asked.by === 'hour' && first.rows.length + (second?.rows.length ?? 0) > 0 && typeof Chart !== 'undefined';
  section.hidden = !isShown;
  chart?.destroy();
  chart = null;
  if (!isShown) return;
  const colours = getComputedStyle(document.documentElement);
  const colour = (name) => colours.getPropertyValue(name).trim();
  const hours = new Map();
  const add = (answer, day) => {
    for (const row of answer.rows) {
      const { key, name } = named('hour', row, answer.begins_ms);
      const hour = hours.get(key) ?? { name: name[0] };
      hour[`in-${day}`] = row.in;
      hour[`out-${day}`] = row.out;
      hours.set(key, hour);
    }
  };
  add(first, 0);
  if (second !== null) add(second, 1);
  const keys = [...hours.keys()].sort();
  const bars = (what, answer, day, name) => ({
    label: `${words[`count-${what}`].join(' ')} · ${answer.day}`,
    data: keys.map((key) => hours.get(key)[`${what}-${day}`] ?? 0),
    backgroundColor: colour(name), borderColor: colour(name), borderWidth: 1,
  });
  const datasets = second === null
    ? [bars('in', first, 0, '--accent'), bars('out', first, 0, '--second')]
    : [bars('in', first, 0, '--accent'), bars('in', second, 1, '--second')];
  chart = new Chart(byId('chart'), {
    type: 'bar',
    data: { labels: keys.map((key) => hours.get(key).name), datasets },
    options: {
      animation: false, responsive: true, maintainAspectRatio: false,
      plugins: { legend: { labels: { color: colour('--ink') } } },
      scales: {
        x: { ticks: { color: colour('--faint') }, grid: { color: colour('--line') } },
        y: { beginAtZero: true, ticks: { color: colour('--faint'), precision: 0 }, grid: { color: colour('--line') } },
      },
    },
  });
}

let asking = 0;

async function show() {
  const asked = question();
  const turn = ++asking;
  if (!asked.day) return;
  const address = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ''));
  history.replaceState(null, '', `?${address}`);
  byId('download').href = `/v1/history.csv?${query(asked, asked.day)}`;
  tell('loading');
  const main = document.querySelector('main');
  main.setAttribute('aria-busy', 'true');
  try {
    const wanted = asked.compare ? [asked.day, asked.compare] : [asked.day];
    const [first, second = null] = await Promise.all(wanted.map((day) => fetched(`/v1/history?${query(asked, day)}`)));
    if (turn !== asking) return;
    showTable(asked, first, second);
    showChart(asked, first, second);
    const since = first.counted_since_ms ?? 0;
    const days = second === null ? [first] : [first, second];
    if (days.some((day) => day.begins_ms < since)) {
      tell('countedSince', new Date(since).toLocaleString('sv-SE', { timeZone }));
    } else {
      tell(days.every((day) => day.rows.length === 0) ? 'nothingThere' : null);
    }
  } catch (error) {
    if (turn === asking) tell('failed', error.message, true);
  } finally {
    if (turn === asking) main.setAttribute('aria-busy', 'false');
  }
}

async function start() {
  const given = new URLSearchParams(location.search);
  const now = new Intl.DateTimeFormat('sv-SE', { timeZone }).format(new Date());
  form.elements.day.value = given.get('day') ?? now;
  for (const name of fields.slice(1)) {
    const field = form.elements[name];
    const value = given.get(name);
    if (value === null) continue;
    // A lane that is not among those known yet.
    if (name === 'lane' && ![...field.options].some((option) => option.value === value)) {
      field.append(new Option(value, value));
    }
    field.value = value;
  }
  form.addEventListener('submit', (event) => { event.preventDefault(); show(); });
  form.addEventListener('change', show);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
  await show();
  try {
    const { lanes } = await fetched('/v1/lanes');
    const field = form.elements.lane;
    const known = new Set([...field.options].map((option) => option.value));
    for (const lane of lanes) if (!known.has(lane.lane)) field.append(new Option(lane.name, lane.lane));
  } catch (error) {
    tell('failed', error.message, true);
  }
}

start();
