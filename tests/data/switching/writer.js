// Behind the JavaScript of ops/SWITCHING.md: writer.js NAME FILE DSN, as writer.py. On PostgreSQL psql writes.
const Database = require('better-sqlite3');
const { execFile } = require('child_process');
const { promisify } = require('util');

const [name, file, dsn] = process.argv.slice(2);
const insert = new Database(file, { timeout: 5000 }).prepare('INSERT INTO orders(token, n) VALUES (?, 1)');
let ended = false;
process.stdin.on('end', () => { ended = true; }).resume();

(async () => {
  const acknowledged = { sqlite: 0, postgres: 0 };
  for (let number = 0; !ended; ++number) {
    const token = `${name}-${number}`;
    const where = await switching({
      sqlite: () => { insert.run(token); return 'sqlite'; },
      postgres: async () => {
        await promisify(execFile)('psql', ['-X', '-q', '-d', dsn, '-c', `INSERT INTO orders(token, n) VALUES ('${token}', 1)`]);
        return 'postgres';
      },
    });
    ++acknowledged[where];
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  console.log(JSON.stringify(acknowledged));
})();
