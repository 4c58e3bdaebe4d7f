/*
 * cutover.pml - fenced cutover, exactly-once apply, reverse replication, rollback
 *   S = SQLite, the source        T = PostgreSQL, the target
 * Every atomic{} block that touches s_* is ONE SQLite transaction, every one that touches t_* is ONE PostgreSQL transaction
 * (a few read the other side's ghosts as well; marked [ghost]). Between two atomic blocks anything may come in, they may be
 * delayed for ever (SIGSTOP) or cut off (kill -9: CRASH drops all local variables; durable ones stay).
 *
 * Modelled
 *   - 2 keys; a transaction of the application writes key 0, key 1 or both
 *   - S: one writer; triggers log KEYS only; the fence is checked in the transaction of the write
 *   - capture reads log and values in ONE read transaction -> batch (from,to]
 *   - the net loses, doubles and reorders batches at will
 *   - NAP appliers at once (a zombie and its replacement); rows and position in one transaction of T, guarded by
 *     pos = from, id(pos) = id(from), role = replica
 *   - NC coordinators at once: start, go on, abort, roll back, recover, crash
 *   - writers on T are transactions of several steps: nextval() is drawn early, they commit in any order, or roll back
 *   - NRV reverse appliers at once, in rounds: S's position is read first, then T's, log rows and values in one snapshot of
 *     T; one transaction on S, by compare-and-set from its position; then, the acknowledgement, one on T: exactly those
 *     log rows are deleted, T's position becomes S's. S one ahead of T: the acknowledgement was lost, it is repeated.
 *   -DFAILOVER: T fails over to an asynchronous standby (once)
 *   -DTPOWER:   the host of T loses power (once); commits of its application are not flushed (synchronous_commit=off)
 *   -DSRESTORE: somebody puts an older SQLite file back (once, before the handover)
 *   -DSPOWER:   the host of S loses power (once); commits of the application are not synced (synchronous=NORMAL), ours are,
 *               and capture makes the WAL durable before it ships a batch
 * Every position carries an identity (id); every handover makes a new one (era).
 *
 * Protocol (gainer = the side that becomes writable, loser = the side that is fenced). Step 0, the triggers, is not modelled.
 *   P  gainer PREPARE   CAS role=replica, nothing pending  -> att=a, PENDING
 *   L  loser  LOCK      S: BEGIN IMMEDIATE; barrier = last entry
 *                       T: the advisory lock that writers share: waits for the transactions in flight
 *   W  wait until gainer.pos = barrier; over the budget: the lock is released, A1
 *                       T: until no log rows are left; barrier = the position acknowledged
 *   F  loser  FENCE     CAS fence<a -> fence=a, closed, in the transaction of L, whose COMMIT releases the lock.
 *                       Found fenced by this attempt: W, and on to C
 *   C  gainer COMMIT    CAS PENDING, att=a, pos=barrier -> COMMITTED, open, new era, reverse capture on: one transaction
 *   H  loser  HANDOVER  CAS fence=a, closed                -> role=replica
 *   A1 gainer ABORT     CAS PENDING, att=a                 -> ABORTED
 *   A2 loser  UNFENCE   CAS fence<=a, not replica          -> fence=a, open
 * COMMIT and ABORT race on one row of ONE database: the gainer is the arbiter.
 *
 * Invariants (asserted after every durable step: CHECK)
 *   I1 at most one side is writable (transactions in flight on T count)
 *   I2 the open side holds exactly the acknowledged state: nothing is lost
 *   I3 a replica always equals the other side at ONE commit boundary: its position
 *   I4 (quiescence, Monitor) it never ends with both sides closed, or with the lock held
 *   I5 (-DSPOWER) the target is never ahead of the source
 *   I6 no false alarm: reverse replication stops (s_halt) only after a failover, or a power loss of T
 *   I7 (quiescence) the replica on S has everything, if no failover came between
 *   live (LTL, -DLIVE, pan -a -f)  []<> somebody is writable
 *
 * Mutants, -DM_*, each must fail: README.md says what each does wrong, run.sh in which model it shows.
 */
#ifndef NS
#define NS 2          /* application commits on S (total)             */
#endif
#ifndef NT
#define NT 2          /* application transactions begun on T (total)  */
#endif
#ifndef NAP
#define NAP 1         /* forward appliers                             */
#endif
#ifndef NRV
#define NRV 1         /* reverse appliers                             */
#endif
#ifndef NC
#define NC 1          /* coordinators                                 */
#endif
#ifndef NTW
#define NTW 1         /* concurrent writers on T                      */
#endif
#ifndef MAXA
#define MAXA 2        /* attempts (cutovers + rollbacks, total)       */
#endif
#ifndef QLEN
#define QLEN 1        /* batches in flight                            */
#endif
#ifndef NCRASH
#define NCRASH 250    /* coordinator crashes (250 = unlimited)        */
#endif
#if defined(M_SEQCURSOR) || defined(M_XMIN)
#define SEQLOG        /* reverse capture by a cursor on a sequence    */
#endif

#define NONE 0
#define PENDING 1
#define COMMITTED 2
#define ABORTED 3
#define NOLINE 255

/* --------------------------------------------------- S : SQLite (durable) */
byte s0, s1;            /* row values                                      */
bool s_open = true;     /* application writes allowed                      */
bool s_rep  = false;    /* role: replica (handed over)                     */
byte s_fence;           /* highest attempt that fenced or poisoned S       */
byte s_att, s_dec;      /* decision record when S is the gainer            */
byte s_seq;             /* last forward log entry                          */
byte s_rnum, s_rid;     /* reverse position applied: number in its era, identity */
byte s_snap;            /* the log rows that its round has read            */
byte s_line=NOLINE;     /* the timeline of T that they are from            */
bool s_halt;            /* NOT durable: reverse replication stopped by name */
byte s_rpos, s_gid;     /* [ghost] the commit of T that S is at            */
byte smask[NS+1], sid[NS+1];            /* log: keys, identity             */
byte sh0[NS+1], sh1[NS+1];              /* [ghost] state at each entry     */
byte s_lock;            /* NOT durable: the coordinator inside BEGIN IMMEDIATE, 0 = none */
/* ----------------------------------------------- T : PostgreSQL (durable) */
byte t0, t1;
bool t_open = false, t_rep = true;
byte t_fence, t_att, t_dec;
byte t_pos, t_pid;      /* forward position applied, its identity          */
byte t_cc;              /* commits (position = set of committed tx)        */
byte t_base;            /* [ghost] the commit at which reverse replication starts */
byte t_log;             /* log rows that are there, a bit for each commit  */
byte t_anum, t_aid;     /* reverse position acknowledged: log rows up to it are deleted */
byte t_line;            /* timeline: a promoted standby begins a new one   */
byte t_lock;            /* NOT durable: the coordinator that holds the writers' lock alone, 0 = none */
byte tmask[NT+1], tid[NT+1];
byte th0[NT+1], th1[NT+1];              /* [ghost]                         */
byte t_nseq;            /* transactions begun (nextval)                    */
bool inf[NTW];          /* in flight, per session                          */
#ifdef SEQLOG
byte tn_mask[NT+1]; bool tn_done[NT+1], tn_dead[NT+1];
#endif
/* ------------------------------------------------------------------ ghost */
byte r0, r1;            /* the state all acknowledged writes produced      */
byte wid;               /* unique values = unique entry identities         */
byte ncrash, nfail, nrest;
#ifdef REACH_REPEATED
bool repeated;
#endif
byte rounds;            /* unique identities of reverse rounds             */

chan net = [QLEN] of { byte, byte, byte, byte, byte, byte, byte };
                        /* from,to,mask,v0,v1,id(from),id(to)              */
#if NTW==1
#define INFL (inf[0])
#else
#define INFL (inf[0]||inf[1])
#endif
#define ROOM (len(net)<QLEN)
#ifdef SEQLOG
#define RPOSMAX t_nseq
#else
#define RPOSMAX t_cc
#endif

#if defined(FAILOVER) || defined(TPOWER)
byte b0,b1,b_att,b_dec,b_pos,b_pid,b_cc,b_fence,b_nseq,b_base,b_log,b_anum,b_aid; bool b_open,b_rep=true;
inline SHIP() { b0=t0; b1=t1; b_att=t_att; b_dec=t_dec; b_pos=t_pos; b_pid=t_pid; b_log=t_log; b_anum=t_anum; b_aid=t_aid;
                b_cc=t_cc; b_fence=t_fence; b_open=t_open; b_rep=t_rep; b_nseq=t_nseq; b_base=t_base }
#ifdef M_ASYNC_CTL
inline SYNC() { skip }          /* mutant: control transactions not synchronous */
#else
inline SYNC() { SHIP() }        /* control transactions wait for the standby    */
#endif
#else
inline SYNC() { skip }
#endif

#ifdef SPOWER
byte c0,c1,c_fence,c_att,c_dec,c_seq,c_rpos,c_gid,c_rid,c_rnum,c_snap,c_line=NOLINE; bool c_open=true,c_rep; byte npow;
inline SDUR() { c0=s0; c1=s1; c_fence=s_fence; c_att=s_att; c_dec=s_dec; c_seq=s_seq; c_rpos=s_rpos; c_gid=s_gid;
                c_rid=s_rid; c_rnum=s_rnum; c_snap=s_snap; c_line=s_line; c_open=s_open; c_rep=s_rep }
#ifdef M_S_CTL_NORMAL
inline SSYNC() { skip }         /* mutant: fence written with synchronous=NORMAL */
#else
inline SSYNC() { SDUR() }
#endif
#ifdef M_SHIP_UNSYNCED
inline SHIPSYNC() { skip }      /* mutant: ships commits that are not durable at the source */
#else
inline SHIPSYNC() { SDUR() }
#endif
#ifdef M_DELETE_UNSYNCED
inline REVSYNC() { skip }       /* mutant: log rows deleted before S is durable */
#else
inline REVSYNC() { SDUR() }
#endif
#else
inline SSYNC() { skip }
inline SHIPSYNC() { skip }
inline REVSYNC() { skip }
#endif

inline CHECK() {
#ifdef SPOWER
  assert(!t_rep || (t_pos<=s_seq && t_pid==sid[t_pos]));                        /* I5 */
#endif
  assert(!(s_open && (t_open || INFL)));                                        /* I1 */
  assert(!s_open || (s0==r0 && s1==r1));                                        /* I2 */
  assert(!t_open || (t0==r0 && t1==r1));                                        /* I2 */
  assert(!t_rep || t_pid!=sid[t_pos] || (t0==sh0[t_pos] && t1==sh1[t_pos]));    /* I3 */
#ifndef SEQLOG
  assert(!s_rep || s_gid!=tid[s_rpos] || (s0==th0[s_rpos] && s1==th1[s_rpos])); /* I3 */
#endif
}

#include "cutover_writers.pml"
#include "cutover_streams.pml"
#include "cutover_switch.pml"
#include "cutover_disasters.pml"

/* ------------------------------------------------------------ quiescence */
proctype Monitor() {
  timeout; assert((s_open || t_open) && !s_lock && !t_lock);                                /* I4 */
#ifndef SEQLOG
  assert(!(s_rep && t_open && !s_halt && nfail==0) || (s0==t0 && s1==t1))           /* I7 */
#endif
}
/* Sanity: these states must be reachable, so the assertion must fail. */
#ifdef REACH_ROLLBACK        /* two commits of T came back to S, S is open again */
#define REACH (s_dec==COMMITTED && t_cc==2 && s_open && s_rpos==2)
#endif
#ifdef REACH_SECOND          /* cutover, rollback, new commits on S, second cutover */
#define REACH (t_dec==COMMITTED && t_att==3 && t_open && t_pos==3 && t_cc>0)
#endif
#ifdef REACH_ABORT           /* fenced, aborted, S written again */
#define REACH (t_dec==ABORTED && s_open && s_fence==1 && t_pos==2)
#endif
#ifdef REACH_RELEASE         /* over the budget under the lock: never fenced, and S goes on */
#define REACH (t_dec==ABORTED && s_fence==0 && s_open && !s_lock && s_seq==2)
#endif
#ifdef REACH_RESUME          /* a coordinator died between F and C, S is still closed, T caught up */
#define REACH (ncrash>0 && t_dec==PENDING && s_fence==t_att && !s_open && t_pos==s_seq && s_seq>0)
#endif
#ifdef REACH_UNDELETED       /* a commit of T is applied on S, its log row is still there, and so is the next */
#define REACH (s_rep && s_rpos==1 && (t_log&6)==6)
#endif
#ifdef REACH_REPEATED        /* a lost acknowledgement was repeated: another round went on from there */
#define REACH (repeated && s_rnum==2)
#endif
#ifdef REACH_HALT            /* divergence after a failover of T was noticed */
#define REACH (s_halt)
#endif
#ifdef REACH
proctype Reach() {
end: atomic { (REACH) -> assert(false) } }
#endif

init {
  atomic {
    run AppS(); run AppT(0);
#if NTW>1
    run AppT(1);
#endif
    run Capture(); run Net(); run Applier();
#if NAP>1
    run Applier();
#endif
    run Reverse();
#if NRV>1
    run Reverse();
#endif
    run Coord(1);
#if NC>1
    run Coord(2);
#endif
#if defined(FAILOVER) || defined(TPOWER)
    run Standby();
#endif
#ifdef SRESTORE
    run Restore();
#endif
#ifdef SPOWER
    run Power();
#endif
#ifdef SRESTORE_ANY
    run RestoreAny();
#endif
#ifdef REACH
    run Reach();
#endif
#if !defined(LIVE) && !defined(NOMON)
    run Monitor()
#endif
  }
}
#ifdef LIVE
ltl live { []<>(s_open || t_open) }
#endif
