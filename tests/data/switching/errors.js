// errors.js FILE: what better-sqlite3 says when a write is refused.
'use strict';
const Database = require('better-sqlite3');
const db = new Database(process.argv[2], { timeout: 5000 });
const seen = (write) => {
  try { write(); } catch (error) { return { class: error.constructor.name, code: error.code, text: error.message }; }
  return null;
};
const insert = db.prepare("INSERT INTO notes VALUES ('refused', 'x')");
console.log(JSON.stringify({ plain: seen(() => insert.run()), transaction: seen(() => db.transaction(() => insert.run()).immediate()), open: db.inTransaction }));
