#!/usr/bin/env python3
# Part of the tests of lockstep: the random writer of tests/system/torture_test.cpp.
"""Hostile-but-legal random writer for torture_public.sql.

  workload_public.py DB [--seed N] [--txns N | --seconds S] [--writers K] ...

Every transaction keeps two invariants at each commit:
  A: (SELECT sum(balance) FROM acct) = 100000
  B: ledger_a and ledger_b hold exactly the same (id, tx) pairs
A single writer with --txns is deterministic for a given seed and start file (except volatile defaults in defaults_zoo).
Exit: 0 done, 3 fenced (a trigger raised a non-constraint message), 4 invariant broken, 5 unexpected error.
"""
import argparse, json, math, os, random, sqlite3, struct, sys, time
import multiprocessing as mp

CONSTRAINT = ('UNIQUE constraint', 'NOT NULL constraint', 'CHECK constraint', 'FOREIGN KEY constraint',
              'datatype mismatch', 'cannot store')
ODD_TEXT = ['', ' ', 'a\\b', '\\N', '\\.', 'tab\there', 'nl\nnl', '\r\n', 'é', 'e\u0301', '\U0001f600', '\ufeffbom',
            "quo'te", 'dq"dq', 'trail ', '\u0080', '\x7f', '{}', 'NULL', '$1', '%s', 'x' * 3000]


class Fenced(Exception):
    pass


class Writer:
    def __init__(self, args, seed):
        self.a, self.r = args, random.Random(seed)
        self.c = sqlite3.connect(args.db, isolation_level=None, timeout=args.timeout, cached_statements=256)
        r = self.r
        pick = lambda o: {'on': 1, 'off': 0, 'mixed': r.randint(0, 1)}[o]
        self.fk = pick(args.fk)
        self.c.execute(f'PRAGMA foreign_keys={self.fk}')
        self.c.execute(f'PRAGMA recursive_triggers={pick(args.recursive)}')
        if args.sync:
            self.c.execute(f'PRAGMA synchronous={args.sync}')
        if args.journal:
            self.c.execute(f'PRAGMA journal_mode={args.journal}')
        self.n = {}
        self.commits = self.rollbacks = self.busy = self.viol = 0
        self.log = open(args.oplog, 'a') if args.oplog else None
        self.extra = {}

    # ------------------------------------------------------------------ helpers
    def x(self, sql, *p):
        if self.log:
            self.log.write(json.dumps([sql, [repr(v)[:60] for v in p]]) + '\n')
        try:
            return self.c.execute(sql, p)
        except sqlite3.IntegrityError as e:
            if str(e).startswith(CONSTRAINT):
                self.viol += 1
                return None
            raise Fenced(str(e))

    def one(self, sql, *p):
        v = self.c.execute(sql, p).fetchone()
        return v[0] if v else None

    def some(self, table, col='id'):
        n = self.one(f'SELECT count(*) FROM {table}')
        return self.one(f'SELECT {col} FROM {table} ORDER BY {col} LIMIT 1 OFFSET ?', self.r.randrange(n)) if n else None

    def nick(self):
        return self.r.choice(['nick', 'nobody', 'n', 'zed']) + str(self.r.randrange(150))

    def mail(self):
        s = f'User{self.r.randrange(160)}@Example.com'
        return self.r.choice([s, s.upper(), s.lower()])

    def dbl(self):
        r = self.r
        k = r.randrange(6)
        if k == 0:
            while True:
                d = struct.unpack('<d', struct.pack('<Q', r.getrandbits(64)))[0]
                if d == d and abs(d) != math.inf:
                    return d
        return [None, r.random(), float(r.randrange(-10**6, 10**6)), 0.1 * r.randrange(100), 5e-324, math.inf][k]

    def i64(self):
        r = self.r
        return r.choice([0, -1, 2**31, -2**31 - 1, 2**62, 2**63 - 1, -2**63, r.randrange(-2**63, 2**63), r.randrange(1000)])

    # ------------------------------------------------------------------ ops: accounts
    def transfer(self):
        a, b = self.some('acct'), self.some('acct')
        if a is None or a == b: return
        m = self.r.randrange(1, 500)
        self.x('UPDATE acct SET balance=balance-? WHERE id=?', m, a)
        self.x('UPDATE acct SET balance=balance+? WHERE id=?', m, b)

    def acct_new(self):
        self.x('INSERT INTO acct(email,nick,balance,score,meta) VALUES (?,?,0,?,?)', self.mail(), self.nick(), self.dbl(), self.r.choice(ODD_TEXT))

    def acct_replace_email(self):      # same e-mail in other letter case, fresh or foreign id: silently deletes rows
        self.x('INSERT OR REPLACE INTO acct(id,email,nick,balance) VALUES (?,?,?,0)',
               self.r.choice([None, self.some('acct'), self.r.randrange(1, 400)]), self.mail(), self.nick())

    def acct_replace_default(self):    # NULL -> NOT NULL default 'nobody' -> conflicts with the row called 'nobody'
        self.x('REPLACE INTO acct(email,nick,balance) VALUES (?,NULL,0)', self.mail())

    def acct_update_or_replace(self):
        self.x('UPDATE OR REPLACE acct SET nick=?, email=? WHERE id=?', self.nick(), self.mail(), self.some('acct'))

    def acct_upsert(self):
        self.x('INSERT INTO acct(email,nick,balance) VALUES (?,?,0) ON CONFLICT(email) DO UPDATE SET meta=excluded.nick, score=?',
               self.mail(), self.nick(), self.dbl())
        self.x('INSERT OR IGNORE INTO acct(email,nick,balance) VALUES (?,?,0)', self.mail(), self.nick())

    def acct_rekey(self):              # primary key update (children follow only when FK enforcement is on)
        a = self.some('acct')
        if a is None: return
        self.x('UPDATE acct SET id=? WHERE id=?', self.r.choice([a + 1, -a, self.r.randrange(1, 1000)]), a)

    def acct_swap_ids(self):
        a, b = self.some('acct'), self.some('acct')
        if a is None or a == b: return
        t = -(10**12) - self.r.randrange(10**6)
        self.x('UPDATE acct SET id=? WHERE id=?', t, a)
        self.x('UPDATE acct SET id=? WHERE id=?', a, b)
        self.x('UPDATE acct SET id=? WHERE id=?', b, t)

    def acct_swap_nicks(self):
        a, b = self.some('acct'), self.some('acct')
        if a is None or a == b: return
        na, nb = self.one('SELECT nick FROM acct WHERE id=?', a), self.one('SELECT nick FROM acct WHERE id=?', b)
        self.x('UPDATE acct SET nick=? WHERE id=?', '~tmp~', a)
        self.x('UPDATE acct SET nick=? WHERE id=?', na, b)
        self.x('UPDATE acct SET nick=? WHERE id=?', nb, a)

    def acct_delete(self):
        if self.one('SELECT count(*) FROM acct') > 40:
            self.x('DELETE FROM acct WHERE id=?', self.some('acct'))

    def rebalance(self):
        d = 100000 - (self.one('SELECT total(balance) FROM acct') or 0)
        if d:
            if not self.x('UPDATE acct SET balance=balance+? WHERE id=(SELECT min(id) FROM acct)', int(d)).rowcount:
                self.x('INSERT INTO acct(email,nick,balance) VALUES (?,?,?)', 'sink@x', 'sink', int(d))

    # ------------------------------------------------------------------ ops: orders
    def order_new(self):
        self.x('INSERT OR REPLACE INTO orders(id,acct_id,ref,state,total,placed) VALUES (?,?,?,?,?,?)',
               self.r.choice([None, self.r.randrange(1, 500)]), self.some('acct'), f'ref{self.r.randrange(200)}', self.r.choice([0, 0, 1, 2]),
               self.r.choice([1.1, 2, 0.1 + 0.2, '12.30']), '2024-01-02 03:04:05')

    def order_flip(self):              # rows enter and leave the partial unique index
        o = self.some('orders')
        self.x(self.r.choice(['UPDATE orders SET state=(state+1)%3 WHERE id=?', 'UPDATE OR REPLACE orders SET state=0 WHERE id=?',
                              'UPDATE OR IGNORE orders SET state=0 WHERE id=?', 'UPDATE OR FAIL orders SET state=0 WHERE id>=?']), o)

    def order_rekey(self):
        o = self.some('orders')
        if o is not None: self.x('UPDATE OR IGNORE orders SET id=? WHERE id=?', self.r.randrange(1, 2000), o)

    def order_delete(self):
        if self.one('SELECT count(*) FROM orders') > 60:
            self.x('DELETE FROM orders WHERE id=?', self.some('orders'))

    def lines(self):
        o = self.some('orders')
        if o is None: return
        k = self.r.randrange(4)
        if k == 0: self.x('REPLACE INTO order_lines VALUES (?,?,?,?)', o, self.r.randrange(5), self.r.choice(ODD_TEXT), self.r.randrange(9))
        elif k == 1: self.x('UPDATE order_lines SET line=line+1 WHERE order_id=? AND line=(SELECT max(line) FROM order_lines WHERE order_id=?)', o, o)
        elif k == 2: self.x('INSERT INTO order_lines SELECT ?,line,sku,qty FROM order_lines WHERE order_id=? ON CONFLICT DO UPDATE SET qty=qty+1', o, self.some('orders'))
        else: self.x('DELETE FROM order_lines WHERE order_id=? AND line>1', o)

    # ------------------------------------------------------------------ ops: unique shuffles
    def seat_swap(self):
        a, b = self.r.randrange(100), self.r.randrange(100)
        if a == b: return
        la, lb = self.one('SELECT label FROM seats WHERE id=?', a), self.one('SELECT label FROM seats WHERE id=?', b)
        self.x('UPDATE seats SET label=NULL WHERE id=?', a)
        self.x('UPDATE seats SET label=?, who=? WHERE id=?', la, 'sw', b)
        self.x('UPDATE seats SET label=? WHERE id=?', lb, a)

    def seat_rotate(self):             # a 10-cycle on (r,c) inside one transaction
        row = self.r.randrange(10)
        self.x('UPDATE seats SET c=c+1000 WHERE r=?', row)
        self.x('UPDATE seats SET c=(c-999)%10 WHERE r=? AND c>=1000', row)

    def seat_steal(self):
        self.x('UPDATE OR REPLACE seats SET label=? WHERE id=?', f'S{self.r.randrange(100)}', self.r.randrange(100))
        self.x('INSERT OR REPLACE INTO seats(id,label,r,c) VALUES (?,?,?,?)', self.r.randrange(110), f'S{self.r.randrange(100)}', self.r.randrange(10), self.r.randrange(10))

    def slug(self):
        s = f'Slug-{self.r.randrange(110)}'
        s = self.r.choice([s, s.upper(), s.lower()])
        self.x(self.r.choice(['REPLACE INTO slugs(slug,body) VALUES (?,?)', 'INSERT INTO slugs(slug,body) VALUES (?,?)',
                              'UPDATE OR REPLACE slugs SET slug=?,body=? WHERE id=%d' % (self.some('slugs') or 0)]), s, os.urandom(0) + bytes([self.r.randrange(256)]) * self.r.choice([0, 1, 50, 20000]))

    def tag(self):                     # NOCASE primary key: respelling the key is a change of bytes but not of identity
        k = self.r.choice(['red', 'Red', 'RED', 'green', 'GREEN', 'Blue', 'blue', 'pink'])
        self.x(self.r.choice(['REPLACE INTO tags(k,n) VALUES (?,?)', 'INSERT INTO tags(k,n) VALUES (?,?) ON CONFLICT(k) DO UPDATE SET k=excluded.k,n=n+1',
                              'INSERT OR IGNORE INTO tags(k,n) VALUES (?,?)']), k, self.r.randrange(9))
        if self.r.random() < .2: self.x('UPDATE tags SET k=upper(k) WHERE k=?', k)
        if self.r.random() < .1: self.x('DELETE FROM tags WHERE k=?', k)

    def kv_op(self):                   # explicit rowid conflicts on a text-keyed table
        k = self.r.choice('abcdefgh')
        v = self.r.choice([1, 'text', b'\x00\xff', 1.5, None, self.i64(), self.r.choice(ODD_TEXT)])
        q = self.r.randrange(5)
        if q == 0: self.x('INSERT OR REPLACE INTO kv(rowid,k,v) VALUES (?,?,?)', self.r.randrange(1, 9), k, v)
        elif q == 1: self.x('UPDATE OR REPLACE kv SET rowid=? WHERE k=?', self.r.randrange(1, 9), k)
        elif q == 2: self.x('REPLACE INTO kv(k,v) VALUES (?,?)', k, v)
        elif q == 3: self.x('UPDATE OR IGNORE kv SET k=? WHERE k=?', self.r.choice('abcdefgh'), k)
        else: self.x('DELETE FROM kv WHERE k=?', k)

    def tree_op(self):
        q = self.r.randrange(4)
        if q <= 1: self.x('INSERT INTO tree(parent,name) VALUES (?,?)', self.some('tree'), self.r.choice(ODD_TEXT))
        elif q == 2:
            a = self.some('tree')
            if a != 1: self.x('UPDATE tree SET parent=1 WHERE id=?', a)
        else:
            a = self.some('tree')
            if a not in (None, 1):
                if self.fk: self.x('DELETE FROM tree WHERE id=?', a)
                else: self.x('WITH RECURSIVE d(i) AS (SELECT ? UNION SELECT tree.id FROM tree JOIN d ON parent=i) DELETE FROM tree WHERE id IN d', a)

    def bag_op(self):
        q = self.r.randrange(6)
        if q <= 1: self.x('INSERT INTO bag(a,b) VALUES (?,?)', self.r.randrange(3), self.r.choice(['x', 'y', None]))
        elif q == 2: self.x('DELETE FROM bag WHERE rowid=(SELECT min(rowid) FROM bag WHERE a=?)', self.r.randrange(3))
        elif q == 3: self.x('UPDATE bag SET b=? WHERE a=?', self.r.choice(['x', 'z']), self.r.randrange(3))
        elif q == 4: self.x('INSERT INTO bag(a,b) SELECT a,b FROM bag LIMIT 50')
        elif self.one('SELECT count(*) FROM bag') > 300: self.x('DELETE FROM bag')

    def ledger(self):
        n = self.r.choice([1, 2, 10, 400])
        m = (self.one('SELECT max(id) FROM ledger_a') or 0) + 1
        tx = self.r.randrange(10**9)
        for t in ('ledger_a', 'ledger_b'):
            self.x(f'WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<?) INSERT INTO {t} SELECT ?+i,? FROM n', n - 1, m, tx)
        if m > 3000:
            cut = self.r.randrange(m)
            for t in ('ledger_a', 'ledger_b'): self.x(f'DELETE FROM {t} WHERE id<?', cut)

    def ledger_shift(self):
        for t in ('ledger_a', 'ledger_b'):
            self.x(f'UPDATE {t} SET id=-id WHERE id IN (SELECT id FROM {t} WHERE id>0 ORDER BY id DESC LIMIT 20)')
            self.x(f'UPDATE {t} SET id=1-id WHERE id<0')

    # ------------------------------------------------------------------ ops: value zoo
    def values(self):
        q = self.r.randrange(9)
        if q == 0: self.x('REPLACE INTO reals VALUES (?,?,?,?,?)', self.r.randrange(1, 40), self.dbl(), self.dbl(), self.dbl(), self.dbl())
        elif q == 1: self.x('REPLACE INTO int_edges(id,i,big) VALUES (?,?,?)', self.r.randrange(1, 40), self.r.randrange(-2**31, 2**31), self.i64())
        elif q == 2: self.x('REPLACE INTO rowid_edges VALUES (?,?)', self.i64(), self.r.choice(ODD_TEXT))
        elif q == 3: self.x('REPLACE INTO text_specials VALUES (?,?)', self.r.randrange(1, 60), self.r.choice(ODD_TEXT))
        elif q == 4: self.x('INSERT INTO defaults_zoo DEFAULT VALUES')
        elif q == 5: self.x('INSERT OR REPLACE INTO gen_zoo(id,a) VALUES (?,?)', self.r.randrange(1, 30), self.r.choice([None, self.r.randrange(20)]))
        elif q == 6: self.x('REPLACE INTO pk_text VALUES (?,?)', self.r.choice(ODD_TEXT[:20]), self.r.choice([1, 'x', None]))
        elif q == 7: self.x('UPDATE OR IGNORE pk_comp SET a=a+?, b=? WHERE a=?', self.r.choice([-1, 1]), self.r.choice('xyz'), self.r.randrange(5))
        else: self.x('INSERT OR REPLACE INTO flags(id,ok,b) VALUES (?,?,?)', self.r.randrange(30), self.r.randrange(2), self.r.choice([0, 1, None]))

    def implicit(self):
        self.x('INSERT INTO implicit_id(v) VALUES (?)', self.r.choice(ODD_TEXT))
        self.x('INSERT INTO auto_gap(v) VALUES (?)', 'g')
        if self.r.random() < .3: self.x('DELETE FROM implicit_id WHERE id=(SELECT max(id) FROM implicit_id)')
        if self.r.random() < .3: self.x('DELETE FROM auto_gap WHERE id=(SELECT max(id) FROM auto_gap)')

    def noop(self):
        self.x('UPDATE seats SET who=who WHERE r=?', self.r.randrange(10))
        self.x('DELETE FROM audit WHERE id<0')
        if self.one('SELECT count(*) FROM audit') > 500: self.x('DELETE FROM audit')

    def other_objects(self):
        self.x('INSERT INTO v_flags(id,ok) VALUES (?,1)', self.r.randrange(1000, 10**6))
        self.x('INSERT INTO notes_fts(body) VALUES (?)', 'note %d' % self.r.randrange(99))

    def or_rollback(self):
        self.x('INSERT OR ROLLBACK INTO seats(id,label,r,c) VALUES (?,?,?,?)', self.r.randrange(200), f'S{self.r.randrange(120)}', self.r.randrange(12), self.r.randrange(12))

    OPS = [('transfer', 8), ('acct_new', 3), ('acct_replace_email', 4), ('acct_replace_default', 1), ('acct_update_or_replace', 3), ('acct_upsert', 3),
           ('acct_rekey', 2), ('acct_swap_ids', 2), ('acct_swap_nicks', 3), ('acct_delete', 2), ('order_new', 5), ('order_flip', 4), ('order_rekey', 2),
           ('order_delete', 2), ('lines', 5), ('seat_swap', 5), ('seat_rotate', 1), ('seat_steal', 3), ('slug', 4), ('tag', 4), ('kv_op', 5), ('tree_op', 4),
           ('bag_op', 4), ('ledger', 4), ('ledger_shift', 1), ('values', 8), ('implicit', 2), ('noop', 1), ('other_objects', 1), ('or_rollback', 1)]

    def ddl(self):
        t = self.r.choice(['seats', 'acct', 'kv', 'orders', 'bag', 'slugs'])
        n = self.one('SELECT count(*) FROM pragma_table_xinfo(?)', t)
        if n > 24: return
        col = f'x{n}_{self.r.randrange(1000)}'
        d = self.r.choice(['TEXT', "TEXT DEFAULT 'dflt'", 'INT NOT NULL DEFAULT 7', 'REAL DEFAULT 0.5', 'BLOB'])
        try:
            self.c.execute(f'ALTER TABLE {t} ADD COLUMN {col} {d}')
        except sqlite3.OperationalError as e:
            if 'locked' in str(e) or 'busy' in str(e): raise
            return
        self.x(f'UPDATE {t} SET {col}=? WHERE rowid IN (SELECT rowid FROM {t} LIMIT 5)', 3)

    # ------------------------------------------------------------------ driver
    def txn(self):
        r = self.r
        names, w = zip(*self.OPS)
        self.c.execute(r.choice(['BEGIN', 'BEGIN IMMEDIATE', 'BEGIN IMMEDIATE']))
        for _ in range(r.choice([1, 1, 1, 2, 3, 5, 8])):
            op = r.choices(names, w)[0]
            self.n[op] = self.n.get(op, 0) + 1
            sp = r.random() < .15
            if sp: self.c.execute('SAVEPOINT s1')
            getattr(self, op)()
            if not self.c.in_transaction:       # OR ROLLBACK ended it
                self.rollbacks += 1
                return
            if sp:
                if r.random() < .5: self.c.execute('ROLLBACK TO s1')
                self.c.execute('RELEASE s1')
        if self.a.ddl and r.random() < .01: self.ddl()
        self.rebalance()
        if r.random() < .07:
            self.c.execute('ROLLBACK'); self.rollbacks += 1
        else:
            try:
                self.c.execute('COMMIT'); self.commits += 1
            except sqlite3.IntegrityError:      # deferred FK violation
                self.c.execute('ROLLBACK'); self.rollbacks += 1

    def run(self):
        end = time.time() + self.a.seconds if self.a.seconds else None
        i = 0
        while (end and time.time() < end) or (not end and i < self.a.txns):
            i += 1
            try:
                self.txn()
            except sqlite3.OperationalError as e:
                if self.c.in_transaction: self.c.execute('ROLLBACK')
                if 'locked' in str(e) or 'busy' in str(e): self.busy += 1
                elif 'mismatch' in str(e): self.viol += 1
                else: raise
            except Fenced:
                if self.c.in_transaction: self.c.execute('ROLLBACK')
                raise
            if self.a.sleep: time.sleep(self.a.sleep / 1000)
            if self.a.vacuum and self.r.random() < .002:
                try: self.c.execute('VACUUM')
                except sqlite3.OperationalError: pass

    def check(self):
        bad = []
        self.c.execute('BEGIN')
        s = self.one('SELECT sum(balance) FROM acct')
        if s != 100000: bad.append(f'sum(balance)={s}')
        d = self.one('SELECT count(*) FROM (SELECT * FROM ledger_a EXCEPT SELECT * FROM ledger_b)') + self.one('SELECT count(*) FROM (SELECT * FROM ledger_b EXCEPT SELECT * FROM ledger_a)')
        if d: bad.append(f'ledger differs by {d}')
        self.c.execute('COMMIT')
        return bad


def worker(args, seed, q):
    t = time.time()
    w = Writer(args, seed)
    out = {'seed': seed}
    rc = 0
    try:
        w.run()
    except Fenced as e:
        rc, out['fenced'] = 3, str(e)
    except Exception as e:
        rc, out['error'] = 5, f'{type(e).__name__}: {e}'
    try:
        bad = w.check()
    except sqlite3.OperationalError as e:
        bad, out['check'] = [], str(e)
    if bad: rc, out['invariant'] = 4, bad
    out.update(rc=rc, commits=w.commits, rollbacks=w.rollbacks, busy=w.busy, constraint_errors=w.viol, secs=round(time.time() - t, 2), ops=w.n)
    q.put(out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('db')
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--txns', type=int, default=500)
    p.add_argument('--seconds', type=float, default=0)
    p.add_argument('--writers', type=int, default=1)
    p.add_argument('--sleep', type=float, default=0, help='ms between transactions')
    p.add_argument('--timeout', type=float, default=10, help='busy timeout, s')
    p.add_argument('--fk', choices=['on', 'off', 'mixed'], default='on')
    p.add_argument('--recursive', choices=['on', 'off', 'mixed'], default='off')
    p.add_argument('--sync', default='')
    p.add_argument('--journal', default='')
    p.add_argument('--ddl', action='store_true', help='ALTER TABLE ADD COLUMN in about 1%% of transactions')
    p.add_argument('--vacuum', action='store_true')
    p.add_argument('--oplog')
    p.add_argument('--quiet', action='store_true')
    a = p.parse_args()
    q = mp.Queue()
    if a.writers == 1:
        worker(a, a.seed, q)
        res = [q.get()]
    else:
        ps = [mp.Process(target=worker, args=(a, a.seed + i, q)) for i in range(a.writers)]
        for x in ps: x.start()
        res = [q.get() for _ in ps]
        for x in ps: x.join()
    if not a.quiet: print(json.dumps(res, indent=1))
    sys.exit(max(r['rc'] for r in res))


if __name__ == '__main__':
    main()
