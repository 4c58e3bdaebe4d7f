// node writer.js FILE JOURNAL SEED TRANSACTIONS TABLE,...
//
// An application in another language with another SQLite. It creates those of its tables that are named, then writes what applications write: REPLACE, UPSERT, RETURNING, partial and expression unique
// indexes, WITHOUT ROWID, STRICT, generated columns, JSON. Prints one line of JSON in the end; any
// error but a constraint's ends it with 1.
'use strict';

const Database = require('better-sqlite3');

const [file, journal, seed, transactions, tables] = process.argv.slice(2);
const db = new Database(file, { timeout: 5000 });
db.pragma(`journal_mode = ${journal}`);

let state = Number(seed) >>> 0;
/** Below `n`; mulberry32. */
function dice(n) {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) % n;
}
const pick = (list) => list[dice(list.length)];

const schema = {
  users: `
    CREATE TABLE users(
      id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, name TEXT DEFAULT 'nobody',
      profile TEXT NOT NULL DEFAULT '{}', seen INTEGER)`,
  prices: `
    CREATE TABLE prices(
      sku TEXT NOT NULL, day TEXT NOT NULL, cents INTEGER, PRIMARY KEY(sku, day)) WITHOUT ROWID`,
  readings: `
    CREATE TABLE readings(
      id INTEGER PRIMARY KEY, device TEXT NOT NULL, value REAL, raw BLOB, flags INT,
      UNIQUE(device, flags)) STRICT`,
  boxes: `
    CREATE TABLE boxes(
      id INTEGER PRIMARY KEY, w INTEGER, h INTEGER, area INTEGER AS (w * h) STORED,
      label TEXT AS (w || 'x' || h) VIRTUAL)`,
  jobs: `
    CREATE TABLE jobs(id INTEGER PRIMARY KEY, slot TEXT, done INTEGER NOT NULL DEFAULT 0, doc BLOB);
    CREATE UNIQUE INDEX jobs_open ON jobs(slot) WHERE done = 0`,
  pages: `
    CREATE TABLE pages(id INTEGER PRIMARY KEY, slug TEXT, body TEXT);
    CREATE UNIQUE INDEX pages_slug ON pages(lower(slug))`,
  docs: `
    CREATE TABLE docs(
      id INTEGER PRIMARY KEY, doc TEXT NOT NULL,
      code TEXT AS (json_extract(doc, '$.code')) STORED UNIQUE)`,
  events: 'CREATE TABLE events(kind TEXT, n INTEGER)',
};

const sql = {};
const prepare = (text) => (sql[text] ??= db.prepare(text));
const run = (text, ...values) => prepare(text).run(...values);
const texts = ['', 'é', 'e\u0301', '\u{1f600}', "quo'te", 'dq"dq', '\\N', 'nl\nnl', 'x'.repeat(3000)];

const works = [
  function users() {
    const email = `u${dice(60)}@example.com`;
    const profile = JSON.stringify({ city: pick(texts), n: dice(9), tags: [dice(3), null, 1.5] });
    const upsert =
      'INSERT INTO users(email, name, profile) VALUES (?, ?, ?) ON CONFLICT(email) DO UPDATE SET ' +
      "name = excluded.name, profile = json_patch(profile, excluded.profile), seen = ifnull(seen, 0) + 1 " +
      'RETURNING id, name';
    if (dice(2)) prepare(upsert).get(email, pick(texts), profile);
    else run('REPLACE INTO users(id, email, name) VALUES (?, ?, ?)', dice(2) ? null : 1 + dice(80), email, 'r');
    run("UPDATE users SET profile = json_set(profile, '$.k', ?) WHERE id = ?", dice(99), 1 + dice(80));
    if (!dice(4)) prepare('DELETE FROM users WHERE id = ? RETURNING email').all(1 + dice(80));
  },
  function prices() {
    const day = `2024-01-${10 + dice(9)}`;
    run('INSERT INTO prices VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET cents = cents + 1', `s${dice(20)}`, day, dice(999));
    run('UPDATE OR REPLACE prices SET sku = ? WHERE sku = ? AND day = ?', `s${dice(20)}`, `s${dice(20)}`, day);
    if (!dice(5)) run('DELETE FROM prices WHERE day = ?', day);
  },
  function readings() {
    run('INSERT OR REPLACE INTO readings(id, device, value, raw, flags) VALUES (?, ?, ?, ?, ?)', 1 + dice(50),
      `d${dice(9)}`, pick([0.1, 5e-324, -0.0, 1e308, null]), pick([Buffer.alloc(0), Buffer.from([0, 255]), null]), dice(9));
    run('UPDATE OR REPLACE readings SET flags = ? WHERE device = ?', dice(9), `d${dice(9)}`);
  },
  function boxes() {
    run('INSERT OR REPLACE INTO boxes(id, w, h) VALUES (?, ?, ?)', 1 + dice(40), dice(9), dice(9));
    run('UPDATE boxes SET w = w + 1 WHERE h = ?', dice(9));
  },
  function jobs() {
    const doc = prepare('SELECT jsonb(?)').pluck().get(JSON.stringify({ at: dice(99), what: pick(texts) }));
    run('REPLACE INTO jobs(id, slot, done, doc) VALUES (?, ?, ?, ?)', dice(2) ? null : 1 + dice(90), `slot${dice(15)}`, dice(2), doc);
    run('UPDATE OR REPLACE jobs SET done = 0 WHERE id = ?', 1 + dice(90));
    run('INSERT INTO jobs(slot) VALUES (?) ON CONFLICT(slot) WHERE done = 0 DO UPDATE SET done = 1', `slot${dice(15)}`);
    run('DELETE FROM jobs WHERE id > 200');
  },
  function pages() {
    const slug = pick(['Home', 'HOME', 'home', `Page-${dice(30)}`, `PAGE-${dice(30)}`]);
    run('REPLACE INTO pages(slug, body) VALUES (?, ?)', slug, pick(texts));
    run('UPDATE OR REPLACE pages SET slug = ? WHERE id = ?', slug, 1 + dice(60));
  },
  function docs() {
    run('REPLACE INTO docs(id, doc) VALUES (?, ?)', dice(2) ? null : 1 + dice(60), JSON.stringify({ code: `c${dice(30)}` }));
    run("UPDATE OR REPLACE docs SET doc = json_set(doc, '$.code', ?) WHERE id = ?", `c${dice(30)}`, 1 + dice(60));
  },
  function events() {
    run('INSERT INTO events VALUES (?, ?), (?, ?)', pick(['a', 'b', null]), dice(3), 'a', 1);
    run('UPDATE events SET n = n + 1 WHERE kind = ?', pick(['a', 'b']));
    run('DELETE FROM events WHERE rowid IN (SELECT min(rowid) FROM events)');
  },
].filter((work) => tables.split(',').includes(work.name));

if (!db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get())
  db.transaction(() => works.forEach((work) => db.exec(schema[work.name])))();

let commits = 0;
let rollbacks = 0;
for (let i = 0; i < Number(transactions); ++i) {
  try {
    db.transaction(() => {
      for (let work = 1 + dice(4); work > 0; --work) pick(works)();
      if (!dice(12)) throw new RangeError('changed its mind');
    }).immediate();
    ++commits;
  } catch (error) {
    if (!(error instanceof RangeError) && !String(error.code).startsWith('SQLITE_CONSTRAINT')) throw error;
    ++rollbacks;
  }
}
const sqlite = db.prepare('SELECT sqlite_version()').pluck().get();
const check = db.pragma('integrity_check', { simple: true });
db.close();
console.log(JSON.stringify({ node: process.version, sqlite, commits, rollbacks, check }));
