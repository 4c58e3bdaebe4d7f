// An application on Prisma 7 with its driver adapters. SHOP_FORMAT is how it writes instants into SQLite: iso8601, the adapter's
// own, or unixepoch-ms, as Prisma did before it had adapters.
'use strict';

const fs = require('fs');
const path = require('path');
const { pathToFileURL } = require('url');
const { PrismaBetterSqlite3 } = require('@prisma/adapter-better-sqlite3');
const { PrismaPg } = require('@prisma/adapter-pg');

const { SHOP_SQLITE: file, SHOP_HOST: host, SHOP_DATABASE: database, SHOP_FORMAT: timestampFormat } = process.env;
const adapters = {
  sqlite: () => new PrismaBetterSqlite3({ url: `file:${file}`, timeout: 5000 }, { timestampFormat }),
  postgres: () => new PrismaPg({ host, database, user: 'postgres' }),
};
const providers = { sqlite: 'sqlite', postgres: 'postgresql' };
const made = process.env.SHOP_MADE; // PostgreSQL's tables, by lockstep
const clients = {};

function client(side) {
  const { PrismaClient } = require(path.join(process.env.SHOP_CLIENTS, made && side === 'postgres' ? 'made' : providers[side]));
  return (clients[side] ??= new PrismaClient({ adapter: adapters[side]() }));
}
const transact = (side, work) => client(side).$transaction(work, { maxWait: 20000, timeout: 20000 });

/** `prisma migrate deploy` of one migration, which is what `prisma migrate diff --from-empty` prints. */
async function schema(side) {
  const program = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const engine = await import(pathToFileURL(program));
  const { instance } = await WebAssembly.instantiate(fs.readFileSync(program.replace(/\.js$/, '.wasm')),
    { './schema_engine_bg.js': engine });
  engine.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  const { bindMigrationAwareSqlAdapterFactory } = require('@prisma/driver-adapter-utils');
  const content = fs.readFileSync(path.join(__dirname, 'schema.prisma'), 'utf8').replaceAll('PROVIDER', providers[side]).replaceAll('OUTPUT', side);
  const files = [{ path: 'schema.prisma', content }];
  const filters = { externalTables: [], externalEnums: [] };
  const migrate = await engine.SchemaEngine.new({ datamodels: [['schema.prisma', content]] }, () => {},
    bindMigrationAwareSqlAdapterFactory(adapters[side]()));
  const { stdout } = await migrate.diff({ from: { tag: 'empty' }, to: { tag: 'schemaDatamodel', files }, script: true, exitCode: null, filters });
  const migrationsList = {
    baseDir: '.', shadowDbInitScript: '', lockfile: { path: 'migration_lock.toml', content: `provider = "${providers[side]}"\n` },
    migrationDirectories: [{ path: '20240301000000_init', migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: stdout } } }],
  };
  return migrate.applyMigrations({ migrationsList, filters });
}

const at = (text) => new Date(text);
const hostile = [
  { whole: 1, big: 2n, ratio: 3, price: '12.30', maybe: true, at: at('2024-01-02T03:04:05.678Z'), text: 'plain', kind: 'odd' },
  { whole: -(2 ** 31), big: -(2n ** 63n), ratio: 5e-324, price: '0', maybe: false, at: at('0001-01-01T00:00:00Z'), data: {},
    blob: Buffer.alloc(0), kind: 'draft' },
  { whole: 2 ** 31 - 1, big: 2n ** 63n - 1n, ratio: 1.7e308, price: '9999999999.99', at: at('9999-12-31T23:59:59.999Z'),
    data: [2 ** 53, 1e-7, -0.5, null, 'é\u2028'], blob: Buffer.from([...Array(256).keys()]), kind: 'sent', text: 'Zoë 😀 \'quoted\' "\\ %s ?\n' },
  { at: at('1969-12-31T23:59:59.999Z'), ratio: -0.1, price: '-0.000001', data: 'a string', text: '\u0001\t ' },
  { at: at('1970-01-01T00:00:00Z'), price: '100', data: { b: 1, a: [true, 1.5, { c: '' }] }, kind: null, big: 2n ** 53n + 1n },
  { at: at('1900-03-01T00:00:00.500Z'), data: false, ratio: 0.1 + 0.2, price: '0.10', blob: Buffer.from('null') },
];

async function fill(side) {
  await transact(side, async (tx) => {
    const tags = [await tx.tag.create({ data: { label: 'new' } }), await tx.tag.create({ data: { label: 'später' } })];
    const bob = await tx.person.create({ data: { name: 'Bob', active: false } });
    await tx.person.create({
      data: { name: 'ada', friends: { connect: { id: bob.id } }, tags: { connect: tags.map(({ id }) => ({ id })) }, samples: { create: hostile } },
    });
    await tx.event.createMany({ data: hostile.map(({ at: when, text }) => ({ at: when, note: text || null })) });
    const values = [{ x: [1.5] }, true, 's', [], 'null', ...(made ? [7, -1.5] : [])]; // SQLite makes numbers of numbers
    await tx.setting.createMany({ data: values.map((value, key) => ({ scope: 'a', key: `${key}`, value })) });
    await tx.later.create({ data: {} });
  });
}

let first;
/** One transaction of the application's. */
async function step(side, n) {
  await transact(side, async (tx) => {
    first ??= process.pid * 1e6;
    const person = await tx.person.create({
      data: { name: `person ${first + n}`, samples: { create: [hostile[n % hostile.length], hostile[(n + 1) % hostile.length]] },
        tags: { connectOrCreate: { where: { label: `tag ${n % 7}` }, create: { label: `tag ${n % 7}` } } } },
      include: { samples: true },
    });
    await tx.sample.update({ where: { id: person.samples[0].id }, data: { maybe: n % 2 === 0, price: `${n}.25`, at: new Date(), kind: 'sent' } });
    await tx.sample.updateMany({ where: { personId: person.id, big: { lt: 1000n } }, data: { big: { increment: 1n } } });
    await tx.event.create({ data: { at: new Date(Date.UTC(1950, 0, 1) + (first % 1e9) * 1000 + n), note: `n${n}` } });
    await tx.setting.upsert({
      where: { scope_key: { scope: 'n', key: `${n % 5}` } }, create: { scope: 'n', key: `${n % 5}`, value: { n }, until: new Date() }, update: { value: [n, 'x'] },
    });
    if (n % 3 === 0) await tx.later.create({ data: { at: new Date(), done: n % 2 === 0, price: '1.5', data: { n }, blob: Buffer.from([n % 256]) } });
    if (n % 4 === 0) await tx.person.deleteMany({ where: { name: `person ${first + n - 2}` } }); // and its samples, by the database
  });
}

async function objects(side) {
  const db = client(side);
  const ids = { select: { id: true }, orderBy: { id: 'asc' } };
  const list = async (model, more, key = ({ id }) => id) => (await db[model].findMany(more)).map((each) => [key(each), each]);
  return {
    Person: await list('person', { include: { tags: ids, friends: ids } }),
    Tag: await list('tag'),
    Sample: await list('sample'),
    Setting: await list('setting', {}, ({ scope, key }) => `${scope}/${key}`),
    Event: await list('event'),
    Later: await list('later'),
  };
}

/** What applications ask for, of each kind of field; every answer the same on every database. */
async function use(side) {
  const db = client(side);
  const token = '00000000-0000-4000-8000-000000000007';
  const person = await db.person.create({
    data: { name: 'by us', tags: { create: { label: 'by us' } }, samples: { create: {
      id: token, whole: 5, big: 2n ** 40n, ratio: 0.25, price: '2.50', maybe: true, at: at('2024-05-06T07:08:09.010Z'), kind: 'sent',
      data: { k: { n: [1, 2] } }, blob: Buffer.from([0, 255]), text: 'used é' } } },
  });
  const mine = { personId: person.id };
  const count = (where) => db.sample.count({ where: { ...mine, ...where } });
  const answers = {
    whole: await count({ whole: 5 }),
    big: await count({ big: { gt: 2n ** 39n }, AND: { big: 2n ** 40n } }),
    ratio: await count({ ratio: 0.25 }),
    price: await count({ price: '2.5', NOT: { price: { lt: '2' } } }),
    maybe: await count({ maybe: true }),
    not: await count({ maybe: { not: true } }),
    at: await count({ at: at('2024-05-06T07:08:09.010Z') }),
    before: await count({ at: { lt: at('2024-05-06T07:08:09.011Z'), gte: at('2024-05-06T00:00:00Z') } }),
    old: await db.event.count({ where: { at: { lt: at('1969-12-31T23:59:59.999Z') }, note: { not: { startsWith: 'n' } } } }),
    order: (await db.event.findMany({ where: { note: { in: ['plain', '\u0001\t '] } }, orderBy: { at: 'asc' } })).map(({ note }) => note),
    kind: await count({ kind: 'sent' }),
    kinds: await count({ kind: { in: ['sent', 'odd'] } }),
    blob: await count({ blob: Buffer.from([0, 255]) }),
    text: await count({ text: { startsWith: 'used' } }),
    id: (await db.sample.findUnique({ where: { id: token } })).whole,
    data: (await db.sample.findUnique({ where: { id: token } })).data.k.n[1],
    joined: await db.sample.count({ where: { person: { name: 'by us', tags: { some: { label: 'by us' } } } } }),
    sum: `${(await db.sample.aggregate({ where: mine, _sum: { price: true } }))._sum.price}`,
    max: (await db.sample.aggregate({ where: mine, _max: { at: true } }))._max.at,
    group: (await db.sample.groupBy({ by: ['kind'], where: mine, _count: true })).map(({ kind, _count: n }) => `${kind} ${n}`),
    created: Math.abs(person.createdAt - new Date()) < 100000,
    again: Math.abs((await db.person.findUnique({ where: { name: 'by us' } })).createdAt - person.createdAt),
  };
  await db.sample.update({ where: { id: token }, data: { at: null, price: { increment: 1 }, kind: 'odd' } });
  answers.updated = await count({ at: null, kind: 'odd', price: '3.5' });
  await db.person.delete({ where: { id: person.id } }); // and its sample
  answers.gone = await db.sample.count({ where: { id: token } });
  await db.tag.delete({ where: { label: 'by us' } });
  return answers;
}

const close = () => Promise.all(Object.values(clients).map((each) => each.$disconnect()));

module.exports = { schema, fill, step, objects, use, close };
