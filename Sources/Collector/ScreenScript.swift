/// The page's script. It writes texts only, never markup. A collector that does not answer shows as *not updated since*,
/// and is asked again after 1, 2, 4 … 10 s.
enum ScreenScript {
    static let text = """
        'use strict';
        const words = JSON.parse(document.body.dataset.words);
        const byId = (id) => document.getElementById(id);
        const grouped = new Intl.NumberFormat('en');
        const rows = new Map();
        let lastGood = null;
        let wait = 1000;

        function show(id, number) { byId(id).textContent = grouped.format(number); }

        function say(element, name, text) {
          const parts = ['zh-Hans', 'en'].map((language, index) => {
            const part = document.createElement('span');
            part.lang = language;
            part.textContent = words[name][index];
            return part;
          });
          element.replaceChildren(parts[0], ' ', parts[1], ...(text ? [' ' + text] : []));
        }

        function age(milliseconds) {
          const seconds = Math.max(0, Math.round(milliseconds / 1000));
          const [number, name] = seconds < 100 ? [seconds, 'secondsAgo']
            : seconds < 6000 ? [Math.round(seconds / 60), 'minutesAgo'] : [Math.round(seconds / 3600), 'hoursAgo'];
          return number + ' ' + words[name].join(' ');
        }

        function rowOf(id) {
          let row = rows.get(id);
          if (!row) {
            row = document.createElement('tr');
            for (let column = 0; column < 6; column += 1) row.append(document.createElement('td'));
            rows.set(id, row);
          }
          return row;
        }

        function showLane(lane, now) {
          const cells = rowOf(lane.lane).children;
          const id = document.createElement('small');
          id.textContent = lane.name === lane.lane ? '' : lane.lane;
          const trouble = document.createElement('small');
          trouble.className = 'trouble';
          if (lane.tampered.length > 0) say(trouble, 'tampered', lane.tampered.join(', '));
          cells[0].replaceChildren(lane.name, id, trouble);
          [lane.today.admitted, lane.today.passed, lane.today.refused, lane.missing].forEach((number, index) => {
            cells[index + 1].textContent = grouped.format(number);
          });
          cells[4].className = lane.missing > 0 ? 'trouble' : '';
          cells[5].textContent = age(now - lane.last_seen_ms);
          cells[5].className = now - lane.last_seen_ms > 60000 ? 'trouble' : '';
          return rowOf(lane.lane);
        }

        function showAll(tallies) {
          show('in', tallies.today.in);
          show('out', tallies.today.out);
          show('in-all', tallies.total.in);
          show('out-all', tallies.total.out);
          show('holders', tallies.today.distinct_holders);
          show('refused', tallies.today.refused);
          show('people', tallies.total.on_site_people);
          show('vehicles', tallies.total.on_site_vehicles);
          show('vehicles-in', tallies.today.vehicles_in);
          show('vehicles-out', tallies.today.vehicles_out);
          const withoutKeys = tallies.inside_without_keys;
          byId('not-known').hidden = withoutKeys !== null;
          show('without-keys', withoutKeys ?? 0);
          byId('alert').hidden = (withoutKeys ?? 0) === 0;
          const lanes = tallies.lanes.slice().sort((a, b) =>
            b.today.passed - a.today.passed || (a.lane < b.lane ? -1 : 1));
          byId('lanes').replaceChildren(...lanes.map((lane) => showLane(lane, tallies.as_of_ms)));
          byId('empty').hidden = lanes.length > 0;
        }

        function showState() {
          const isStale = lastGood === null || performance.now() - lastGood.at > 5000;
          document.body.classList.toggle('stale', isStale);
          const time = lastGood === null ? '–'
            : new Date(lastGood.asOf).toLocaleTimeString('en-GB', { timeZone: lastGood.zone });
          say(byId('state'), isStale ? 'staleSince' : 'updated', time);
        }

        async function update() {
          try {
            const answer = await fetch('/v1/tallies', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
            if (answer.status === 401) location.assign('/login');
            if (!answer.ok) throw new Error(String(answer.status));
            const tallies = await answer.json();
            showAll(tallies);
            lastGood = { at: performance.now(), asOf: tallies.as_of_ms, zone: tallies.time_zone };
            wait = 1000;
          } catch (error) {
            wait = Math.min(wait * 2, 10000);
          }
          showState();
          setTimeout(update, wait);
        }

        setInterval(showState, 1000);
        update();

        """
}
