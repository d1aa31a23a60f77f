// All lanes, those in trouble first, each with what to do: /v1/fleet, asked every PERIOD ms for what changed. A lane's rows
// are changed in place. What is chosen stands in the page's address. What it shares with other pages is in desk.js.
'use strict';

const PERIOD = 2000;
const LONGEST_WAIT = 10000;
const RANKS = { trouble: 0, warning: 1, notice: 2 };
const COLUMNS = ['mode', 'devices', 'image', 'statement', 'journal', 'clock', 'lastWord'];
/// On a phone these stand in the details while they are in order.
const SELDOM = ['image', 'statement', 'clock'];

const form = byId('choice');
const table = byId('table');
const lanes = new Map(); // id → { lane, body, head, cells, wrong, more, said }

let site = null;      // the newest answer without its lanes
let revision = null;
let heard = null;     // { at: performance.now(), asOf: ms since 1970 } of the newest answer
let isLive = false;
let isAsking = false;
let wait = PERIOD;
let timer = null;

// MARK: Asking

async function poll() {
  if (isAsking) return;
  clearTimeout(timer);
  isAsking = true;
  const news = await fetched(revision === null ? '/v1/fleet' : `/v1/fleet?after=${revision}`).catch(() => null);
  isAsking = false;
  isLive = news !== null;
  wait = isLive ? PERIOD : Math.min(wait * 2, LONGEST_WAIT);
  // Nobody looks: it asks again when somebody does.
  if (!document.hidden) timer = setTimeout(poll, wait);
  if (isLive) {
    // The collector has a newer page than this one.
    if (news.page !== document.body.dataset.page) {
      location.reload();
      return;
    }
    heard = { at: performance.now(), asOf: news.as_of_ms };
    take(news);
  }
  showState();
}

function take(news) {
  const { lanes: changed, ...rest } = news;
  site = rest;
  revision = news.revision;
  let isOrderNew = false;
  if (news.is_whole) {
    const known = new Set(changed.map((lane) => lane.lane));
    for (const [id, row] of lanes) {
      if (known.has(id)) continue;
      row.body.remove();
      lanes.delete(id);
      isOrderNew = true;
    }
  }
  for (const lane of changed) {
    let row = lanes.get(lane.lane);
    if (!row) {
      row = makeRow(lane);
      lanes.set(lane.lane, row);
    }
    isOrderNew = fill(row, lane) || isOrderNew;
  }
  if (isOrderNew) order();
  showSite();
  showAges();
  choose();
}

// MARK: Order

function isBefore(one, other) {
  const key = ({ lane }) => [RANKS[lane.severity] ?? 3, lane.since_ms ?? Infinity, lane.name, lane.lane];
  const [a, b] = [key(one), key(other)];
  for (const index of a.keys()) if (a[index] !== b[index]) return a[index] < b[index] ? -1 : 1;
  return 0;
}

/// Only those that stand in a wrong place are moved; who has the focus keeps it.
function order() {
  const focused = document.activeElement;
  let next = table.tBodies[0] ?? null;
  for (const { body } of [...lanes.values()].sort(isBefore)) {
    if (next !== null && next !== body && next.nextElementSibling === body) {
      const away = next;
      next = body;
      away.remove();
    }
    if (next === body) next = body.nextElementSibling; else table.insertBefore(body, next);
  }
  if (focused !== document.activeElement && table.contains(focused)) focused.focus({ preventScroll: true });
}

// MARK: A lane's rows

function part(name, role, className, ...children) {
  const element = make(name, className, ...children);
  element.setAttribute('role', role);
  return element;
}

function makeRow(lane) {
  const button = make('button', '');
  button.type = 'button';
  button.setAttribute('aria-expanded', 'false');
  const mark = make('mark', '');
  mark.hidden = true;
  const id = make('span', 'id');
  const head = part('th', 'rowheader', '', button, mark, id);
  head.scope = 'row';
  const cells = Object.fromEntries(COLUMNS.map((name) => {
    const cell = part('td', 'cell', SELDOM.includes(name) ? 'seldom' : '');
    cell.dataset.title = words[name].join(' ');
    return [name, cell];
  }));
  const across = (className) => {
    const cell = part('td', 'cell', '');
    cell.colSpan = COLUMNS.length + 1;
    const row = part('tr', 'row', className, cell);
    row.hidden = true;
    return row;
  };
  const [wrong, more] = [across('faults'), across('opened')];
  more.id = `more-${lane.lane}`;
  button.setAttribute('aria-controls', more.id);
  const body = part('tbody', 'rowgroup', '', part('tr', 'row', 'lane', head, ...Object.values(cells)), wrong, more);
  body.dataset.lane = lane.lane;
  const row = { lane, body, button, mark, id, cells, wrong, more, said: {} };
  button.addEventListener('click', () => {
    more.hidden = !more.hidden;
    button.setAttribute('aria-expanded', String(!more.hidden));
    if (!more.hidden) showDetails(row);
  });
  return row;
}

/// Changes what is new. Whether its place may be another.
function fill(row, lane) {
  const isMoved = row.said.place === undefined || isBefore(row, { lane }) !== 0;
  row.lane = lane;
  /// What is made of the same values stays as it is.
  const put = (name, values, write) => {
    const text = JSON.stringify(values);
    if (row.said[name] === text) return;
    row.said[name] = text;
    write();
  };
  put('place', [lane.name, lane.entrance_zh, lane.entrance_en, lane.severity], () => {
    row.body.className = lane.severity ?? '';
    row.button.textContent = lane.name;
    row.mark.hidden = !lane.severity;
    row.mark.className = lane.severity ?? '';
    row.mark.replaceChildren(...said(`severity-${lane.severity ?? 'none'}`));
    const entrance = lane.entrance_zh === lane.entrance_en ? lane.entrance_zh : `${lane.entrance_zh} ${lane.entrance_en}`;
    row.id.textContent = [...new Set([lane.lane, entrance])].filter((text) => text !== lane.name).join(' · ');
    row.search = `${lane.lane} ${lane.name} ${entrance}`.toLowerCase();
  });
  const cell = (name, values, contents) => put(name, values, () => {
    const { children, state = 'fine', isOld = false } = contents();
    row.cells[name].className = [SELDOM.includes(name) ? 'seldom' : '', state, isOld ? 'old' : ''].join(' ').trim();
    row.cells[name].replaceChildren(...children);
  });
  const isOld = lane.word?.is_old ?? false;
  cell('mode', [lane.mode, lane.mode_cause, lane.is_silent], () => modeOf(lane));
  cell('devices', [lane.devices, lane.devices_known], () => devicesOf(lane));
  cell('image', [lane.image_version, lane.change_number, site.image, isOld], () => imageOf(lane, isOld));
  cell('statement', [lane.freshness, lane.statement_age_seconds !== null, isOld], () => statementOf(lane, isOld));
  cell('journal', [lane.journal, isOld], () => journalOf(lane, isOld));
  cell('clock', [lane.clock, lane.is_silent], () => clockOf(lane));
  cell('lastWord', [isOld, lane.is_silent, lane.last_seen_ms === null], () => lastWordOf(lane, isOld));
  put('troubles', lane.troubles, () => {
    row.wrong.hidden = lane.troubles.length === 0;
    row.wrong.firstChild.replaceChildren(...(lane.troubles.length ? [make('ul', 'troubles', ...troublesOf(lane.troubles))] : []));
  });
  if (!row.more.hidden) showDetails(row);
  return isMoved;
}

const NOTHING = { children: ['–'] };

function modeOf(lane) {
  if (lane.mode === null) return NOTHING;
  const children = said(`mode-${lane.mode}`);
  if (lane.mode_cause && lane.mode_cause !== 'none') children.push(make('small', '', ...said(`cause-${lane.mode_cause}`)));
  const state = { normal: 'fine', emergency: 'off', 'out-of-service': 'off' }[lane.mode] ?? 'odd';
  return { children, state, isOld: lane.is_silent };
}

function devicesOf(lane) {
  const lost = lane.devices.filter((device) => device.state === 'lost');
  if (!lane.devices_known && lost.length === 0) return NOTHING;
  const children = lane.devices_known ? [`${lane.devices.length - lost.length} / ${lane.devices.length}`] : [];
  for (const device of lost) children.push(make('small', '', ...said(`device-${device.device}`)));
  return { children, state: lost.length ? 'off' : 'fine' };
}

function imageOf(lane, isOld) {
  if (lane.image_version === null) return NOTHING;
  const children = [`${lane.image_version} · ${grouped.format(lane.change_number)}`];
  const behind = site.image !== null && lane.image_version < site.image.version;
  const changes = site.image !== null && lane.image_version === site.image.version
    ? site.image.change_number - lane.change_number : 0;
  if (behind || changes > 0) {
    const by = behind ? site.image.version - lane.image_version : changes;
    children.push(make('small', '', ...both([`${words.behind[0]} ${grouped.format(by)}`, `${grouped.format(by)} ${words.behind[1]}`])));
  }
  return { children, state: behind ? 'odd' : 'fine', isOld };
}

function statementOf(lane, isOld) {
  if (lane.statement_age_seconds === null && lane.freshness === null) return NOTHING;
  const children = lane.statement_age_seconds === null ? [] : [make('span', 'age')];
  const isFresh = lane.freshness === 'fresh';
  if (!isFresh) children.push(make('small', '', ...said(`fresh-${lane.freshness}`)));
  return { children, state: isFresh ? 'fine' : lane.freshness === 'warn' ? 'odd' : 'off', isOld };
}

function journalOf(lane, isOld) {
  if (lane.journal === null) return NOTHING;
  const { held, percent, state, fault } = lane.journal;
  const children = [grouped.format(held) + (percent === null ? '' : ` · ${percent} %`)];
  if (state !== 'roomy') children.push(make('small', '', ...said(`journal-${state}`)));
  return { children, state: state === 'roomy' ? (fault ? 'off' : 'fine') : ['full', 'reserve-only', 'absent'].includes(state) ? 'off' : 'odd', isOld };
}

function clockOf(lane) {
  if (lane.clock === null) return NOTHING;
  return { children: said(`clock-${lane.clock}`), state: lane.clock === 'trusted' ? 'fine' : 'odd', isOld: lane.is_silent };
}

function lastWordOf(lane, isOld) {
  if (lane.last_seen_ms === null) return { children: said('neverSpoke'), state: 'odd' };
  const children = [make('span', 'age')];
  if (isOld) children.push(make('small', 'odd', ...said('daemonOld'), ' ', make('span', 'age said')));
  return { children, state: lane.is_silent ? 'off' : 'fine' };
}

/// Commands stand between backquotes.
function withCommands(text) {
  return text.split('`').map((piece, index) => (index % 2 ? make('code', '', piece) : piece));
}

function inBoth(chinese, english) {
  return [['zh-Hans', chinese], ['en', english]].map(([language, text]) => {
    const span = make('span', '', ...withCommands(text));
    span.lang = language;
    return span;
  });
}

/// What is to be done about stands once, below all that it is about.
function troublesOf(troubles) {
  const groups = new Map();
  for (const trouble of troubles) {
    const key = `${trouble.kind} ${trouble.severity} ${trouble.advice_en}`;
    groups.set(key, [...(groups.get(key) ?? []), trouble]);
  }
  return [...groups.values()].map((group) => {
    const [first] = group;
    const head = make('p', 'head', make('mark', first.severity, ...said(`severity-${first.severity}`)), ' ',
      make('b', '', ...both([first.title_zh, first.title_en])));
    const item = make('li', '', head, ...group.map(whatOf),
      make('p', 'do', make('span', '', ...inBoth(first.advice_zh, first.advice_en))));
    item.dataset.kind = first.kind;
    return item;
  });
}

function whatOf(trouble) {
  const what = make('p', 'what', ...inBoth(trouble.text_zh, trouble.text_en));
  if (trouble.since_ms !== null) {
    const time = make('time', '', ...said('since'), ` ${instant(trouble.since_ms)}`);
    time.dateTime = trouble.since;
    what.append(time);
  }
  return what;
}

function showDetails(row) {
  const { lane } = row;
  const text = JSON.stringify([lane, site.image]);
  if (row.said.details === text) return;
  row.said.details = text;
  const list = make('dl', 'details');
  const add = (word, children, className = '') => {
    list.append(make('div', className, make('dt', '', ...said(word)), make('dd', '', ...(children.length ? children : ['–']))));
  };
  const when = (milliseconds) => (milliseconds ? [instant(milliseconds)] : []);
  const commas = (parts) => parts.flatMap((each, index) => (index ? [' · ', ...each] : each));
  const entrance = both([lane.entrance_zh, lane.entrance_en]);
  add('entrance', entrance);
  add('devices', commas(lane.devices.map((device) => [...said(`device-${device.device}`), ' ',
    make('span', device.state === 'lost' ? 'off' : '', ...said(device.state === 'lost' ? 'lost' : 'allThere')),
    ...(device.since_ms ? [' ', ...said('since'), ' ', instant(device.since_ms)] : [])])), 'wide');
  add('covers', lane.open_covers.length ? commas(lane.open_covers.map((cover) => said(`device-${cover}`))) : said('closed'));
  const { journal } = lane;
  add('journal', journal === null ? [] : [`${grouped.format(journal.held)} / ${grouped.format(journal.room)}`
    + (journal.percent === null ? ' ' : ` · ${journal.percent} % `), ...said(`journal-${journal.state}`)]);
  add('missing', [grouped.format(lane.missing)]);
  add('lastRecord', when(lane.last_record_ms));
  add('epochs', [grouped.format(lane.epochs)]);
  add('storedThrough', lane.stored_through === null ? []
    : [`${grouped.format(lane.stored_through.sequence)} · ${lane.stored_through.epoch}`]);
  add('statement', when(lane.statement_as_of_ms));
  add('imageIssued', when(lane.image_issued_ms));
  add('version', lane.word ? [lane.word.version] : []);
  add('startedAt', when(lane.word?.started_at_ms));
  add('lanesClockSaid', when(lane.word?.as_of_ms));
  add('policy', lane.word ? [lane.word.policy] : []);
  const link = make('a', '', ...said('historyOfLane'));
  link.href = `/history?by=hour&lane=${encodeURIComponent(lane.lane)}`;
  list.append(make('div', 'wide', link));
  row.more.firstChild.replaceChildren(list);
}

// MARK: The site

let siteSaid = '';

function showSite() {
  const { summary, image } = site;
  const counts = { ...summary, image: image?.version, change: image?.change_number };
  for (const name of ['in_trouble', 'silent', 'out_of_service', 'devices_lost', 'by_order', 'lanes', 'image', 'change']) {
    const text = counts[name] === undefined ? '–' : grouped.format(counts[name]);
    const element = byId(`sum-${name}`);
    if (element.textContent !== text) element.textContent = text;
  }
  byId('sum-in_trouble').parentElement.className = summary.in_trouble > 0 ? 'bad' : '';
  for (const name of ['silent', 'out_of_service', 'devices_lost']) byId(`sum-${name}`).parentElement.className = summary[name] > 0 ? 'some' : '';
  const text = JSON.stringify(site.site_troubles);
  if (text === siteSaid) return;
  siteSaid = text;
  byId('site').hidden = site.site_troubles.length === 0;
  byId('site-troubles').replaceChildren(...troublesOf(site.site_troubles));
}

// MARK: Which are shown

function choose() {
  const wanted = form.elements.q.value.trim().toLowerCase().split(/\s+/).filter((word) => word !== '');
  const only = form.elements.only.checked;
  let count = 0;
  for (const row of lanes.values()) {
    const isShown = (!only || (RANKS[row.lane.severity] ?? 3) < RANKS.notice) && wanted.every((word) => row.search.includes(word));
    if (row.body.hidden === isShown) row.body.hidden = !isShown;
    if (isShown) count += 1;
  }
  const text = `${grouped.format(count)} / ${grouped.format(lanes.size)}`;
  if (byId('count').dataset.text !== text) {
    byId('count').dataset.text = text;
    byId('count').replaceChildren(...said('shown'), ` ${text}`);
  }
  const told = count > 0 ? null : lanes.size === 0 ? 'noLanes' : wanted.length > 0 ? 'noneMatch' : 'allWell';
  table.hidden = told !== null;
  byId('told').hidden = told === null;
  if (told !== null && byId('told').dataset.word !== told) {
    byId('told').dataset.word = told;
    byId('told').replaceChildren(...said(told));
  }
}

function chosen() {
  const address = new URLSearchParams();
  if (form.elements.q.value !== '') address.set('q', form.elements.q.value);
  if (form.elements.only.checked) address.set('only', '1');
  const query = address.toString();
  history.replaceState(null, '', query === '' ? location.pathname : `?${query}`);
  choose();
}

// MARK: Time

/// The collector's, not this computer's.
const now = () => heard.asOf + performance.now() - heard.at;

function instant(milliseconds) {
  const options = { timeZone: site.time_zone, hour: '2-digit', minute: '2-digit', second: '2-digit' };
  const day = { year: 'numeric', month: '2-digit', day: '2-digit' };
  const at = new Date(milliseconds);
  // What is of today needs no date.
  const isToday = at.toLocaleDateString('sv-SE', { timeZone: site.time_zone }) === new Date(now()).toLocaleDateString('sv-SE', { timeZone: site.time_zone });
  return at.toLocaleString('sv-SE', isToday ? options : { ...options, ...day });
}

/// The two largest units.
function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (large, unit, small, smallUnit) => (small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return two(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  if (seconds < 100 * 3600) return two(Math.floor(seconds / 3600), 'h', Math.floor(seconds / 60) % 60, 'min');
  return two(Math.floor(seconds / 86400), 'd', Math.floor(seconds / 3600) % 24, 'h');
}

function setAge(element, since) {
  if (!element) return;
  const text = since === null || since === undefined ? '–' : duration(now() - since);
  if (element.textContent !== text) element.textContent = text;
}

/// While nothing new is heard nothing grows older: nobody knows.
function showAges() {
  if (heard === null || !isLive) return;
  for (const { lane, body, cells } of lanes.values()) {
    if (body.hidden) continue;
    // By the lane's clock when it said so, and by the collector's since then.
    const { word, statement_age_seconds: seconds } = lane;
    setAge(cells.statement.querySelector('.age'), word === null ? null : word.received_ms - seconds * 1000);
    setAge(cells.lastWord.querySelector('.age:not(.said)'), lane.last_seen_ms);
    setAge(cells.lastWord.querySelector('.said'), lane.word?.as_of_ms);
  }
}

function showState() {
  const state = byId('state');
  document.body.classList.toggle('stale', heard !== null && !isLive);
  const zoned = (options) => new Date(isLive ? now() : heard.asOf).toLocaleString('sv-SE', { timeZone: site.time_zone, ...options });
  const full = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' };
  const text = heard === null ? 'connecting' : isLive ? 'live' : `stale ${heard.asOf}`;
  // A screen reader says what changes here.
  if (state.dataset.text !== text) {
    state.dataset.text = text;
    if (heard === null || isLive) state.replaceChildren(...said(text));
    else state.replaceChildren(...said('staleSince'), ' ', make('b', '', zoned(full)));
  }
  if (heard !== null && isLive) byId('clock').textContent = zoned(full);
}

// MARK: Start

const given = new URLSearchParams(location.search);
form.elements.q.value = given.get('q') ?? '';
form.elements.only.checked = given.get('only') === '1';
form.addEventListener('submit', (event) => event.preventDefault());
form.addEventListener('input', chosen);
document.addEventListener('visibilitychange', () => { if (!document.hidden) poll(); });
setInterval(() => { showState(); showAges(); }, 1000);
showState();
poll();
