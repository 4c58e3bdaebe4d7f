// An application on Sequelize with node-sqlite3 and node-postgres.
'use strict';

const { DataTypes, Op, Sequelize, Transaction, col, fn } = require('sequelize');

const { SHOP_SQLITE: storage, SHOP_HOST: host, SHOP_DATABASE: database } = process.env;
const options = { logging: false, define: { underscored: false } };
const open = {};
// bigint, which lockstep makes of INTEGER, as a number, as SQLite's driver has it.
if (process.env.SHOP_MADE) require('pg').defaults.parseInt8 = true;

function models(sequelize) {
  const { BIGINT, BLOB, BOOLEAN, DATE, DATEONLY, DECIMAL, DOUBLE, ENUM, INTEGER, JSON: JSONS, STRING, TEXT, TIME, UUID, UUIDV4 } = DataTypes;
  // node-sqlite3 gives numbers where node-postgres gives texts.
  const numbered = (name, type) => ({ type, get() { const value = this.getDataValue(name); return value == null ? null : Number(value); } });
  const Author = sequelize.define('Author', {
    name: { type: STRING(80), allowNull: false, unique: true },
    active: { type: BOOLEAN, allowNull: false, defaultValue: true },
    joined: DATEONLY,
    settings: { type: JSONS, allowNull: false, defaultValue: {} },
  });
  const Work = sequelize.define('Work', {
    id: { type: UUID, defaultValue: UUIDV4, primaryKey: true },
    whole: INTEGER, big: numbered('big', BIGINT), ratio: DOUBLE, price: numbered('price', DECIMAL(12, 2)), maybe: BOOLEAN, at: DATE, born: DATEONLY, opens: TIME,
    data: JSONS, blob: BLOB, kind: { type: ENUM('draft', 'sent', 'odd one'), defaultValue: 'draft' }, text: TEXT, token: UUID,
  }, { indexes: [{ fields: ['at'] }] });
  const Tag = sequelize.define('Tag', { label: { type: STRING, primaryKey: true } }, { timestamps: false });
  const Option = sequelize.define('Option', { scope: { type: STRING, primaryKey: true }, key: { type: STRING, primaryKey: true }, value: JSONS },
    { paranoid: true });
  Author.hasMany(Work, { onDelete: 'CASCADE', foreignKey: { allowNull: false } });
  Work.belongsTo(Author);
  Work.belongsToMany(Tag, { through: 'WorkTags' });
  Tag.belongsToMany(Work, { through: 'WorkTags' });
  return { Author, Work, Tag, Option };
}

function db(side) {
  if (!open[side]) {
    const sequelize = side === 'sqlite'
      ? new Sequelize({ ...options, dialect: 'sqlite', storage, transactionType: Transaction.TYPES.IMMEDIATE, retry: { max: 1 } })
      : new Sequelize(database, 'postgres', null, { ...options, dialect: 'postgres', host });
    open[side] = { sequelize, ...models(sequelize) };
  }
  return open[side];
}
const transact = (side, work) => db(side).sequelize.transaction((transaction) => work(db(side), { transaction }));

const schema = async (side) => { await db(side).sequelize.sync(); };

const at = (text) => new Date(text);
const hostile = [
  { whole: 1, big: 2, ratio: 3, price: 12.3, maybe: true, at: at('2024-01-02T03:04:05.678Z'), born: '2024-02-29', opens: '09:30:00', text: 'plain', kind: 'sent' },
  { whole: -(2 ** 31), big: Number.MIN_SAFE_INTEGER, ratio: 5e-324, price: 0, maybe: false, at: at('1900-03-01T00:00:00Z'), born: '1900-01-01', opens: '00:00:00',
    data: {}, blob: Buffer.alloc(0), text: '', token: '00000000-0000-0000-0000-000000000000' },
  { whole: 2 ** 31 - 1, big: Number.MAX_SAFE_INTEGER, ratio: 1.7976931348623157e308, price: 9999999999.99, at: at('9999-12-31T23:59:59.999Z'), born: '9999-12-31',
    opens: '23:59:59', data: [2 ** 53, 1e-7, -0.5, null, 'é\u2028'], blob: Buffer.from([...Array(256).keys()]), kind: 'odd one', text: 'Zoë 😀 \'quoted\' "\\ %s :x ?\n',
    token: 'ffffffff-ffff-ffff-ffff-ffffffffffff' },
  { at: at('1969-12-31T23:59:59.999Z'), ratio: -0.1, price: 0.1, data: 'a string', text: '\u0001\t ', token: '6ba7b810-9dad-41d1-80b4-00c04fd430c8' },
  { at: at('1970-01-01T00:00:00Z'), price: 100, data: { b: 1, a: [true, 1.5, { c: '' }] }, kind: null },
  { data: false, ratio: 0.1 + 0.2, price: -5.25, blob: Buffer.from('null') },
];

async function fill(side) {
  await transact(side, async ({ Author, Work, Tag, Option }, tx) => {
    const ada = await Author.create({ name: 'ada', joined: '2020-02-29', settings: { theme: 'dark', n: [1.5] } }, tx);
    await Author.create({ name: 'Bob', active: false }, tx);
    const tags = await Tag.bulkCreate([{ label: 'new' }, { label: 'später' }], tx);
    const works = await Work.bulkCreate(hostile.map((each) => ({ ...each, AuthorId: ada.id })), tx);
    await works[0].setTags(tags, tx);
    await Option.bulkCreate([{ x: [1.5] }, true, 's', []].map((value, key) => ({ scope: 'a', key: `${key}`, value })), tx);
  });
}

/** One transaction of the application's. */
async function step(side, n) {
  const name = (number) => `author ${process.pid} ${number}`;
  await transact(side, async ({ Author, Work, Tag, Option }, tx) => {
    const author = await Author.create({ name: name(n), active: n % 2 === 0, joined: `19${10 + (n % 90)}-01-31` }, tx);
    const works = await Work.bulkCreate([0, 1].map((i) => ({ ...hostile[(n + i) % hostile.length], AuthorId: author.id })), tx);
    await works[0].update({ maybe: n % 2 === 0, price: n + 0.25, at: new Date(), data: { n }, kind: 'sent' }, tx);
    const [tag] = await Tag.findOrCreate({ where: { label: `tag ${n % 7}` }, ...tx });
    await works[1].addTag(tag, tx);
    await Option.upsert({ scope: 'n', key: `${n % 5}`, value: { n } }, tx);
    if (n % 3 === 0) await Option.destroy({ where: { scope: 'n', key: `${(n + 1) % 5}` }, ...tx }); // deletedAt
    if (n % 4 === 0) await Author.destroy({ where: { name: name(n - 2) }, ...tx }); // and its works, by the database
  });
}

async function objects(side) {
  const { Author, Work, Tag, Option } = db(side);
  const list = async (model, key = ({ id }) => id, more = {}) => (await model.findAll(more)).map((each) => [key(each), each.get()]);
  const works = await list(Work, ({ id }) => id, { include: Tag });
  for (const [, work] of works) work.Tags = work.Tags.map(({ label }) => label).sort();
  return { Author: await list(Author), Work: works, Tag: await list(Tag, ({ label }) => label),
    Option: await list(Option, ({ scope, key }) => `${scope}/${key}`, { paranoid: false }) };
}

/** What applications ask for, of each kind of column; every answer the same on every database. */
async function use(side) {
  const { Author, Work, sequelize } = db(side);
  const id = '00000000-0000-4000-8000-000000000007';
  const author = await Author.create({ name: 'by us' });
  await Work.create({ id, AuthorId: author.id, whole: 5, big: 2 ** 40, ratio: 0.25, price: 2.5, maybe: true, at: at('2024-05-06T07:08:09.010Z'), born: '2024-05-06',
    opens: '07:08:09', data: { k: { n: [1, 2] } }, blob: Buffer.from([0, 255]), kind: 'sent', text: 'USED é', token: id });
  const count = (where) => Work.count({ where: { id, ...where } });
  const again = await Work.findByPk(id);
  const answers = {
    whole: await count({ whole: 5, big: { [Op.gt]: 2 ** 39 } }), ratio: await count({ ratio: 0.25 }), price: await count({ price: 2.5 }),
    maybe: await count({ maybe: true }), not: await count({ maybe: { [Op.not]: true } }), at: await count({ at: at('2024-05-06T07:08:09.010Z') }),
    between: await count({ at: { [Op.lt]: at('2024-05-06T07:08:09.011Z'), [Op.gte]: at('2024-05-06T00:00:00Z') } }),
    born: await count({ born: '2024-05-06' }), young: await count({ born: { [Op.gt]: '2024-05-05' } }), opens: await count({ opens: '07:08:09' }),
    kind: await count({ kind: ['sent', 'odd one'] }), blob: await count({ blob: Buffer.from([0, 255]) }), text: await count({ text: { [Op.like]: 'USED%' } }),
    token: await count({ token: id }), none: await count({ data: null }), data: again.data.k.n[1], back: again.at.toISOString(), day: again.born, time: again.opens,
    joined: await Work.count({ include: { model: Author, where: { name: 'by us', active: true } } }),
    sum: Number(await Work.sum('price', { where: { id } })), max: new Date(await Work.max('at', { where: { id } })).toISOString(),
    lower: await Work.count({ where: { id, [Op.and]: sequelize.where(fn('lower', col('text')), 'used é') } }),
    order: (await Work.findAll({ where: { price: { [Op.gte]: 0.1 } }, include: { model: Author, where: { name: 'ada' } }, order: [['at', 'DESC']] })).map(({ text }) => text),
    created: Math.abs(again.createdAt - new Date()) < 100000,
  };
  await Author.destroy({ where: { name: 'by us' } });
  answers.gone = await count({});
  return answers;
}

const close = () => Promise.all(Object.values(open).map(({ sequelize }) => sequelize.close()));

module.exports = { schema, fill, step, objects, use, close };
