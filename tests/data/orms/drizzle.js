// An application on Drizzle with better-sqlite3 and node-postgres: the same tables once for each, in the types that Drizzle has there.
'use strict';

const crypto = require('crypto');
const { and, avg, count, desc, eq, gt, gte, inArray, isNull, like, lt, ne, or, sql, sum } = require('drizzle-orm');
const lite = require('drizzle-orm/sqlite-core');
const pg = require('drizzle-orm/pg-core');

const { SHOP_SQLITE: file, SHOP_HOST: host, SHOP_DATABASE: database } = process.env;

// What Drizzle lacks on PostgreSQL, as its documentation has it.
const bytes = pg.customType({ dataType: () => 'bytea' });
const packed = pg.customType({
  dataType: () => 'bytea', toDriver: (value) => Buffer.from(JSON.stringify(value)), fromDriver: (value) => JSON.parse(value.toString()),
});

const tables = { sqlite: {}, postgres: {} };
{
  const { sqliteTable: table, integer, text, real, numeric, blob, index, primaryKey } = lite;
  const users = table('users', {
    id: integer().primaryKey({ autoIncrement: true }),
    name: text().notNull().unique(),
    active: integer({ mode: 'boolean' }).notNull().default(true),
    createdAt: integer('created_at', { mode: 'timestamp_ms' }).notNull().default(sql`(unixepoch() * 1000)`),
    seenAt: integer('seen_at', { mode: 'timestamp' }),
    madeAt: text('made_at').notNull().default(sql`(current_timestamp)`),
    settings: text({ mode: 'json' }).notNull().default({}),
  });
  const samples = table('samples', {
    id: text().primaryKey().$defaultFn(() => crypto.randomUUID()),
    userId: integer('user_id').notNull().references(() => users.id, { onDelete: 'cascade' }),
    whole: integer(), ratio: real(), price: numeric(), maybe: integer({ mode: 'boolean' }), at: integer({ mode: 'timestamp_ms' }),
    data: text({ mode: 'json' }), blob: blob({ mode: 'buffer' }), packed: blob({ mode: 'json' }),
    kind: text({ enum: ['draft', 'sent'] }).default('draft'), text: text(),
  }, (t) => [index('samples_user').on(t.userId, t.at)]);
  const options = table('options', { scope: text().notNull(), key: text().notNull(), value: text({ mode: 'json' }) },
    (t) => [primaryKey({ columns: [t.scope, t.key] })]);
  const events = table('events', { id: integer().primaryKey({ autoIncrement: true }), at: integer({ mode: 'timestamp_ms' }).notNull(), note: text() });
  Object.assign(tables.sqlite, { users, samples, options, events });
}
{
  const { pgTable: table, bigint, integer, text, doublePrecision, numeric, boolean, timestamp, jsonb, index, primaryKey } = pg;
  const moment = (name, precision) => timestamp(name, { withTimezone: true, precision });
  const users = table('users', {
    id: bigint({ mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
    name: text().notNull().unique(),
    active: boolean().notNull().default(true),
    createdAt: moment('created_at', 3).notNull().defaultNow(),
    seenAt: moment('seen_at', 0),
    madeAt: text('made_at').notNull().default(sql`to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')`),
    settings: jsonb().notNull().default({}),
  });
  const samples = table('samples', {
    id: text().primaryKey().$defaultFn(() => crypto.randomUUID()),
    userId: bigint('user_id', { mode: 'number' }).notNull().references(() => users.id, { onDelete: 'cascade' }),
    whole: bigint({ mode: 'number' }), ratio: doublePrecision(), price: numeric(), maybe: boolean(), at: moment('at', 3),
    data: jsonb(), blob: bytes(), packed: packed(),
    kind: text({ enum: ['draft', 'sent'] }).default('draft'), text: text(),
  }, (t) => [index('samples_user').on(t.userId, t.at)]);
  const options = table('options', { scope: text().notNull(), key: text().notNull(), value: jsonb() },
    (t) => [primaryKey({ columns: [t.scope, t.key] })]);
  const events = table('events', { id: integer().primaryKey().generatedByDefaultAsIdentity(), at: moment('at', 3).notNull(), note: text() });
  Object.assign(tables.postgres, { users, samples, options, events });
}

// As drizzle-kit writes migrations of these tables.
const migrations = {
  sqlite: `
CREATE TABLE \`events\` (
	\`id\` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	\`at\` integer NOT NULL,
	\`note\` text
);
CREATE TABLE \`options\` (
	\`scope\` text NOT NULL,
	\`key\` text NOT NULL,
	\`value\` text,
	PRIMARY KEY(\`scope\`, \`key\`)
);
CREATE TABLE \`samples\` (
	\`id\` text PRIMARY KEY NOT NULL,
	\`user_id\` integer NOT NULL,
	\`whole\` integer,
	\`ratio\` real,
	\`price\` numeric,
	\`maybe\` integer,
	\`at\` integer,
	\`data\` text,
	\`blob\` blob,
	\`packed\` blob,
	\`kind\` text DEFAULT 'draft',
	\`text\` text,
	FOREIGN KEY (\`user_id\`) REFERENCES \`users\`(\`id\`) ON UPDATE no action ON DELETE cascade
);
CREATE INDEX \`samples_user\` ON \`samples\` (\`user_id\`,\`at\`);
CREATE TABLE \`users\` (
	\`id\` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	\`name\` text NOT NULL,
	\`active\` integer DEFAULT true NOT NULL,
	\`created_at\` integer DEFAULT (unixepoch() * 1000) NOT NULL,
	\`seen_at\` integer,
	\`made_at\` text DEFAULT (current_timestamp) NOT NULL,
	\`settings\` text DEFAULT '{}' NOT NULL
);
CREATE UNIQUE INDEX \`users_name_unique\` ON \`users\` (\`name\`);
CREATE TABLE \`__drizzle_migrations\` (
				id SERIAL PRIMARY KEY,
				hash text NOT NULL,
				created_at numeric
			);
INSERT INTO \`__drizzle_migrations\` (hash, created_at) VALUES ('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 1709290000123);`,
  postgres: `
CREATE TABLE "events" (
	"id" integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY (sequence name "events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"at" timestamp (3) with time zone NOT NULL,
	"note" text
);
CREATE TABLE "options" (
	"scope" text NOT NULL,
	"key" text NOT NULL,
	"value" jsonb,
	CONSTRAINT "options_scope_key_pk" PRIMARY KEY("scope","key")
);
CREATE TABLE "samples" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" bigint NOT NULL,
	"whole" bigint,
	"ratio" double precision,
	"price" numeric,
	"maybe" boolean,
	"at" timestamp (3) with time zone,
	"data" jsonb,
	"blob" "bytea",
	"packed" "bytea",
	"kind" text DEFAULT 'draft',
	"text" text
);
CREATE TABLE "users" (
	"id" bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY (sequence name "users_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"name" text NOT NULL,
	"active" boolean DEFAULT true NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"seen_at" timestamp (0) with time zone,
	"made_at" text DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') NOT NULL,
	"settings" jsonb DEFAULT '{}'::jsonb NOT NULL,
	CONSTRAINT "users_name_unique" UNIQUE("name")
);
ALTER TABLE "samples" ADD CONSTRAINT "samples_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;
CREATE INDEX "samples_user" ON "samples" USING btree ("user_id","at");`,
};

const open = {};
function db(side) {
  if (open[side]) return open[side].orm;
  if (side === 'sqlite') {
    const client = new (require('better-sqlite3'))(file, { timeout: 5000 });
    client.pragma('foreign_keys = ON');
    open.sqlite = { client, orm: require('drizzle-orm/better-sqlite3').drizzle({ client }), close: () => client.close() };
  } else {
    const client = new (require('pg').Pool)({ host, database, user: 'postgres' });
    open.postgres = { client, orm: require('drizzle-orm/node-postgres').drizzle({ client }), close: () => client.end() };
  }
  return open[side].orm;
}

// `work` is a generator of statements, for better-sqlite3 knows no promises. What it yields in a list gives rows.
function onSqlite(tx, work) {
  for (let next = work.next(); ; ) {
    if (next.done) return next.value;
    next = work.next(Array.isArray(next.value) ? next.value[0].all() : next.value.run());
  }
}
async function onPostgres(tx, work) {
  for (let next = work.next(); ; ) {
    if (next.done) return next.value;
    next = work.next(await (Array.isArray(next.value) ? next.value[0] : next.value));
  }
}
const transact = (side, work) => (side === 'sqlite'
  ? db(side).transaction((tx) => onSqlite(tx, work(tx, tables.sqlite)), { behavior: 'immediate' })
  : db(side).transaction((tx) => onPostgres(tx, work(tx, tables.postgres))));

async function schema(side) {
  db(side);
  if (side === 'sqlite') open.sqlite.client.exec(migrations.sqlite);
  else await open.postgres.client.query(migrations.postgres);
}

const at = (text) => new Date(text);
const hostile = [
  { whole: 1, ratio: 3, price: '12.3', maybe: true, at: at('2024-01-02T03:04:05.678Z'), text: 'plain', kind: 'sent', packed: { a: 1 } },
  { whole: Number.MIN_SAFE_INTEGER, ratio: 5e-324, price: '0', maybe: false, at: at('1950-03-01T00:00:00.001Z'), data: {}, blob: Buffer.alloc(0), text: '' },
  { whole: Number.MAX_SAFE_INTEGER, ratio: 1.7976931348623157e308, price: '9999999999.99', at: at('9999-12-31T23:59:59.999Z'),
    data: [2 ** 53, 1e-7, -0.5, null, 'é\u2028'], blob: Buffer.from([...Array(256).keys()]), text: 'Zoë 😀 \'quoted\' "\\ %s ?\n', packed: [null, 'ü'] },
  { at: at('1969-12-31T23:59:59.999Z'), ratio: -0.1, price: '-0.000001', data: { b: 1, a: [true, 1.5, { c: '' }] }, text: '\u0001\t ' },
  { at: at('1970-01-01T00:00:00Z'), price: '100', data: [], kind: null, whole: 0, packed: 's' },
  { data: { big: 1e21 }, ratio: 0.1 + 0.2, price: '0.1', blob: Buffer.from('null') },
];
const seconds = () => new Date(Math.floor(Date.now() / 1000) * 1000);

async function fill(side) {
  await transact(side, function* (tx, { users, samples, options, events }) {
    const [ada] = yield [tx.insert(users).values({ name: 'ada', seenAt: at('2024-02-29T23:59:59Z'), settings: { theme: 'dark', n: [1.5] } }).returning()];
    yield tx.insert(users).values({ name: 'Bob', active: false, createdAt: at('2038-01-19T03:14:08.001Z'), seenAt: at('1965-01-01T00:00:00Z') });
    yield tx.insert(samples).values(hostile.map((each) => ({ ...each, userId: ada.id })));
    yield tx.insert(options).values([{ x: [1.5] }, true, [], 7, null].map((value, key) => ({ scope: 'a', key: `${key}`, value })));
    yield tx.insert(events).values({ at: at('2024-01-01T00:00:00Z'), note: 'first' });
  });
}

/** One transaction of the application's. */
async function step(side, n) {
  const name = (number) => `user ${process.pid} ${number}`;
  await transact(side, function* (tx, { users, samples, options, events }) {
    const [user] = yield [tx.insert(users).values({ name: name(n), active: n % 2 === 0, createdAt: new Date(), seenAt: n % 3 ? seconds() : null }).returning()];
    const made = yield [tx.insert(samples).values([0, 1].map((i) => ({ ...hostile[(n + i) % hostile.length], userId: user.id }))).returning({ id: samples.id })];
    yield tx.update(samples).set({ maybe: n % 2 === 0, price: `${n}.25`, at: new Date(), data: { n }, kind: 'sent' }).where(eq(samples.id, made[0].id));
    yield tx.insert(options).values({ scope: 'n', key: `${n % 5}`, value: { n } })
      .onConflictDoUpdate({ target: [options.scope, options.key], set: { value: [n, 'x'] } });
    yield tx.insert(events).values({ at: new Date(), note: n % 2 ? null : `n${n}` });
    if (n % 4 === 0) yield tx.delete(users).where(eq(users.name, name(n - 2))); // and its samples, by the database
  });
}

async function objects(side) {
  const found = {};
  const key = { users: ({ id }) => id, samples: ({ id }) => id, options: ({ scope, key: name }) => `${scope}/${name}`, events: ({ id }) => id };
  for (const [name, table] of Object.entries(tables[side]))
    found[name] = (await db(side).select().from(table)).map((each) => [key[name](each), each]);
  return found;
}

/** What applications ask for, of each kind of column; every answer the same on every database. */
async function use(side) {
  const id = '00000000-0000-4000-8000-000000000007';
  const { users, samples } = tables[side];
  const answers = {};
  await transact(side, function* (tx) {
    const [user] = yield [tx.insert(users).values({ name: 'by us' }).returning()];
    answers.made = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(user.madeAt);
    answers.created = Math.abs(user.createdAt - new Date()) < 100000;
    answers.active = user.active;
    yield tx.insert(samples).values({ id, userId: user.id, whole: 5, ratio: 0.25, price: '2.5', maybe: true, at: at('2024-05-06T07:08:09.010Z'), kind: 'sent',
      data: { k: { n: [1, 2] } }, blob: Buffer.from([0, 255]), text: 'used é', packed: { p: [] } });
  });
  const rows = (...where) => db(side).select({ n: count() }).from(samples).where(and(eq(samples.id, id), ...where));
  const asked = {
    whole: [eq(samples.whole, 5)], ratio: [eq(samples.ratio, 0.25)], price: [eq(samples.price, '2.5')], dear: [gt(samples.price, '10')],
    maybe: [eq(samples.maybe, true)], not: [ne(samples.maybe, true)], at: [eq(samples.at, at('2024-05-06T07:08:09.010Z'))],
    between: [lt(samples.at, at('2024-05-06T07:08:09.011Z')), gte(samples.at, at('2024-05-06T00:00:00Z'))],
    kind: [inArray(samples.kind, ['sent', 'draft'])], blob: [eq(samples.blob, Buffer.from([0, 255]))], text: [like(samples.text, 'used%')], none: [isNull(samples.data)],
  };
  for (const [name, where] of Object.entries(asked)) answers[name] = Number((await rows(...where))[0].n);
  const [again] = await db(side).select().from(samples).where(eq(samples.id, id));
  answers.data = again.data.k.n[1];
  answers.back = again.at.toISOString();
  const joined = db(side).select({ n: count() }).from(samples).innerJoin(users, eq(samples.userId, users.id)).where(or(eq(users.name, 'by us'), eq(users.name, '')));
  answers.joined = Number((await joined)[0].n);
  answers.sum = Number((await db(side).select({ s: sum(samples.price), a: avg(samples.ratio) }).from(samples).where(eq(samples.id, id)))[0].s);
  const ada = db(side).select({ text: samples.text }).from(samples).innerJoin(users, eq(samples.userId, users.id)).where(and(eq(users.name, 'ada'), gt(samples.at, at('1900-01-01T00:00:00Z'))));
  answers.order = (await ada.orderBy(desc(samples.at))).map(({ text }) => text);
  await transact(side, function* (tx) { yield tx.delete(users).where(eq(users.name, 'by us')); });
  answers.gone = Number((await rows())[0].n);
  return answers;
}

const close = () => Promise.all(Object.values(open).map((each) => each.close()));

module.exports = { schema, fill, step, objects, use, close };
