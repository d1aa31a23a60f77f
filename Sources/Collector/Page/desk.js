// What the scripts of the pages for a desk share. They write texts only, never markup.
'use strict';

const PATIENCE = 15000;
const words = JSON.parse(document.body.dataset.words);
const byId = (id) => document.getElementById(id);
const grouped = new Intl.NumberFormat('en');

function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/// Both languages of a text; a name that is the same in both stands once.
function both([chinese, english]) {
  const parts = [['zh-Hans', chinese], ['en', english]].map(([language, text]) => {
    const part = make('span', '', text);
    part.lang = language;
    return part;
  });
  return chinese === english ? [parts[0]] : [parts[0], ' ', parts[1]];
}

const said = (word) => both(words[word]);

/// Whose token is not good any more is led to the login, and from there back to what is shown here.
async function fetched(path) {
  const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
  if (answer.status === 401) {
    location.assign(`/login?to=${encodeURIComponent(location.pathname + location.search)}`);
    throw new Error('401');
  }
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.error}: ${body.advice}`);
  return body;
}
