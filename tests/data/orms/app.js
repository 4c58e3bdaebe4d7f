// node app.js ORM WHAT [SIDE]: what the tests do with an application on that ORM, through the ORM alone. Prints JSON.
//
// schema SIDE: the ORM's own migration. fill SIDE: rows with values that databases disagree about. write: keeps writing where
// the writers are until its input ends. equal: reads every object of every model from both sides. use SIDE: creates,
// filters, orders, aggregates. ORM is a file beside this one; SHOP_RECIPE has the JavaScript of ops/SWITCHING.md.
'use strict';

const [name, what, side] = process.argv.slice(2);
const orm = require(`./${name}.js`);
const { switching } = require(process.env.SHOP_RECIPE);

/** Sorted by name, as jsonb does not keep the order of members. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

/** A value with its type, so that 1, '1' and true differ. */
function shown(value) {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return `Date ${Number.isNaN(value.getTime()) ? 'invalid' : value.toISOString()}`;
  if (ArrayBuffer.isView(value)) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'number') return `number ${Object.is(value, -0) ? '-0' : value}`;
  if (typeof value !== 'object') return `${typeof value} ${value}`;
  if (typeof value.toFixed === 'function') return `Decimal ${value}`;
  return `JSON ${JSON.stringify(sorted(value))}`;
}

async function write() {
  const wrote = { sqlite: 0, postgres: 0 };
  let ended = false;
  process.stdin.on('end', () => { ended = true; }).resume();
  for (let n = 1; !ended; ++n) {
    const attempt = (where) => async () => { await orm.step(where, n); return where; };
    ++wrote[await switching({ sqlite: attempt('sqlite'), postgres: attempt('postgres') }, 20000)];
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return wrote;
}

async function equal() {
  const objects = {};
  const differences = [];
  const [one, other] = [await orm.objects('sqlite'), await orm.objects('postgres')];
  for (const model of Object.keys(one)) {
    const keyed = (list) => new Map(list.map(([key, fields]) => [String(key), fields]));
    const [here, there] = [keyed(one[model]), keyed(other[model])];
    objects[model] = here.size;
    for (const key of new Set([...here.keys(), ...there.keys()])) {
      if (!here.has(key) || !there.has(key)) {
        differences.push(`${model} ${key}: only on one side`);
        continue;
      }
      for (const field of Object.keys(here.get(key))) {
        const [a, b] = [shown(here.get(key)[field]), shown(there.get(key)[field])];
        if (a !== b) differences.push(`${model} ${key} ${field}: ${a} and ${b}`);
      }
    }
  }
  return { objects, differences };
}

(async () => {
  const works = { write, equal, schema: () => orm.schema(side), fill: () => orm.fill(side), use: () => orm.use(side) };
  const result = await works[what]();
  await orm.close();
  console.log(JSON.stringify(result ?? {}));
})().catch((error) => {
  console.error(error, error.meta ?? '');
  process.exit(1);
});
