/*
 * snapshot.pml - the first copy, and batches read in slices, beside a live source
 * One table of 3 keys; a value 0 means "row absent". A write of the application is a commit: it writes or deletes a row,
 * or moves it to another key (two seqs, one commit). Version v of the source is what commit v left: h0[v] h1[v] h2[v], its
 * newest seq hs[v]; versions are ghosts, only the checks see them.
 *   Copy   chunk 0 is {0,1}, read in two read transactions; chunk 1 is {2}. They are read side by side and loaded in any
 *          order, each in one target transaction with its own cursor (ld). The position stays P0 until all are in.
 *   Batch  (from,to] in slices. A slice is one read transaction: it takes pending keys and reads their rows, scans log rows
 *          when nothing is pending, and ends when it likes (budget). The batch ends in the slice in which nothing is
 *          pending and the newest seq of that same slice is scanned; `to` is that seq. Each slice is a message n; the
 *          target stages them (the later read of a key wins) and commits all of them at once, by compare-and-set
 *          from `from` to `to`. The first batch is the catch-up: every key since P0, no filter; then consistent.
 *   Reset  triggers can be lost: then writes are not logged (NL times). The next slice would see that; before it, triggers
 *          come back in a commit that logs a mark, key 3. From the slice on that scans the mark, the whole table is read as
 *          well; what was read of it before is forgotten; rows that no entry names as present are deleted. The
 *          mark is a change like others: a batch that was dropped finds it again.
 *   Faults kill -9 of either side at any point (NC times): both start over from the ledger (one step `Session`; messages of
 *          the dead session stay on the net, and with ZOMBIE a COMMIT that was sent can arrive later). The net loses,
 *          doubles and reorders messages (NF times).
 *   S1  after every commit on the target: if it says "consistent" then T is the version it claims, and t_pos its newest seq
 *   S2  at the end all is consistent, nothing of the source is missing (checked at quiescence)
 * FOLLOW: begins behind the copy, consistent, nothing written yet.
 * Mutants, of the batch:
 *          M_TORN          the log is scanned up to a number of keys, `to` is there; values are read later
 *          M_SPLIT         the slices of a batch are target transactions of their own
 *          M_EARLIER_WINS  the earlier read of a key wins
 *          M_END_EARLY     the batch ends at scanned = `to` in a slice that could have scanned more
 *          M_NO_N          messages are not checked for order (duplicates / reorder accepted)
 *          M_NO_SESSION    messages of a dead session are accepted
 *          M_NO_CAS        the position is set, whatever it was
 *        of the copy:
 *          M_FILTER        a change that is not after its chunk's position is left out of the catch-up
 *          M_TWO_CHANNELS  the batch does not wait for the chunks (no common order)
 *          M_START_LATE    P0 is read after the first chunk
 *          M_CONS_EARLY    "consistent" at the last chunk, without the catch-up
 *          M_CURSOR_SEP    chunk rows and chunk cursor in two transactions, cursor first
 *          M_NO_CURSOR     a chunk that is loaded is loaded again
 *        of the reset:
 *          M_RESET_NO_LOG  the log of the table is ignored while it is scanned
 *          M_RESET_KEEP    rows that the scan did not find are not deleted
 *          M_RESET_OLD     what was read of the table before the scan began still counts
 *          M_RESET_CUT     the batch does not wait for the end of the scan
 *          M_RESET_FORGET  there is no mark: the batch that is being read knows, and nobody else
 */
#ifndef NW
#define NW 3            /* writes of the application */
#endif
#ifndef NC
#define NC 1            /* kill -9 */
#endif
#ifndef NF
#define NF 1            /* faults of the net */
#endif
#ifndef NL
#define NL 0            /* losses of the triggers */
#endif
#ifndef QLEN
#define QLEN 2          /* messages on the net */
#endif
#define NS (2*NW+NL)    /* seqs at most */
#define NV (NW+NL)      /* versions at most */
#define ALL 3           /* both chunks; no scan */

/* source */
byte s[3]; byte seq, ver, wid, writes; byte key[NS+1];
byte h0[NV+1], h1[NV+1], h2[NV+1], hs[NV+1];
bit lost; byte losses;
/* target: rows, position, chunk cursors, chunk positions, what it claims to be */
byte t[3]; byte t_pos, t_ver, ld, cp[2]; bool started, t_cons;
/* one session; both ends lose all of this */
byte sess;
byte cn[2], cv[2];                                        /* chunks being read: rows read, row 0 and row 2 */
bit b_on, b_sent, b_rs; byte b_from, scanned, pend, n, scan; /* batch being read */
byte g_n, g_m, g_v[3], g_from, g_to, g_ver; bit g_rs, g_end, err;  /* staging */
#ifdef ZOMBIE
bit z; byte z_m, z_v[3], z_from, z_to, z_ver; bit z_rs;
#endif
byte crashes, faults;
/* kind (0 chunk, 1 slice), session, n or chunk, 1 reset begins + 2 batch ends + 4*version (ghost), mask, v0 v1 v2,
   from, to (chunk: its position) */
chan net = [QLEN] of { bit, byte, byte, byte, byte, byte, byte, byte, byte, byte };

inline COMMITTED() { ver++; h0[ver]=s[0]; h1[ver]=s[1]; h2[ver]=s[2]; hs[ver]=seq }
inline LOG(q) { if :: !lost -> seq++; key[seq]=q :: else fi }
inline CHECK() {
  assert(!t_cons || (t[0]==h0[t_ver] && t[1]==h1[t_ver] && t[2]==h2[t_ver] && t_pos==hs[t_ver]))
}
#ifdef M_SPLIT
byte any;
inline CHECK_ANY() {    /* for once any version will do */
  any=0; do :: any<ver && !(t[0]==h0[any] && t[1]==h1[any] && t[2]==h2[any]) -> any++ :: else -> break od;
  assert(!t_cons || (t[0]==h0[any] && t[1]==h1[any] && t[2]==h2[any])); any=0
}
#endif

proctype App() {
  byte k, k2;
end:
  do
  :: atomic { writes<NW ->
       writes++;
       if
       :: if :: k=0 :: k=1 :: k=2 fi; wid++; s[k]=wid; LOG(k)
       :: if :: s[0]!=0 -> k=0 :: s[1]!=0 -> k=1 :: s[2]!=0 -> k=2 fi; s[k]=0; LOG(k)
       :: if :: s[1]!=0 -> k=1; k2=2 :: s[2]!=0 -> k=2; k2=0 fi;       /* to another chunk, perhaps onto a row */
          s[k2]=s[k]; s[k]=0; LOG(k); LOG(k2)
       fi;
       COMMITTED(); k=0; k2=0 }
#if NL>0
  :: atomic { losses<NL && writes<NW -> lost=1; losses++ }
#endif
  od
}

#ifdef M_TORN
#define SCAN_TO (b_from+1)
#else
#define SCAN_TO seq
#endif
#ifdef M_RESET_CUT
#define SCANS_DONE true
#else
#define SCANS_DONE (scan==ALL)
#endif
#ifdef M_END_EARLY
#define ENDS (pend==0 && SCANS_DONE)
#define TO scanned
#else
#define ENDS (pend==0 && SCANS_DONE && scanned==SCAN_TO)
#define TO scanned
#endif
#ifdef M_TWO_CHANNELS
#define CHUNKS_IN true
#else
#define CHUNKS_IN (ld==ALL)
#endif

inline BEGIN() {
  b_on=1; b_from=t_pos; scanned=t_pos; scan=ALL
}
inline SCAN_LOG() {
  scanned++; k=key[scanned];
  if
#ifdef M_RESET_FORGET
  :: k==3 -> skip
#else
  :: k==3 -> b_rs=1; scan=0
#endif
#ifdef M_FILTER
  :: k!=3 && !t_cons && scanned<=cp[k/2] -> skip
#endif
#ifdef M_RESET_NO_LOG
  :: k!=3 && scan!=ALL -> skip
#endif
  :: else -> pend = pend | (1<<k)
  fi;
  k=0
}
inline READ(q) { m = m | (1<<(q)); v[q]=s[q] }

proctype Reader() {
  byte k, m, did, tv; byte v[3];
end:
  do
#ifdef M_START_LATE
  :: atomic { !started && ld!=0 -> started=true; t_pos=seq; t_ver=ver }
#else
  :: atomic { !started -> started=true; t_pos=seq; t_ver=ver }   /* triggers are on; P0 */
#endif
  /* chunk 0: row 0, then row 1 in a read transaction of its own */
#ifdef M_START_LATE
#define MAY_COPY true
#else
#define MAY_COPY started
#endif
  :: atomic { MAY_COPY && !(ld&1) && cn[0]==0 -> cv[0]=s[0]; cn[0]=1 }
  :: atomic { cn[0]==1 && len(net)<QLEN -> net!0,sess,0,0,0,cv[0],s[1],0,0,seq; cv[0]=0; cn[0]=2 }
  :: atomic { MAY_COPY && !(ld&2) && cn[1]==0 && len(net)<QLEN -> net!0,sess,1,0,0,0,0,s[2],0,seq; cn[1]=2 }
#if NL>0
#ifdef M_RESET_FORGET
  :: atomic { started && lost && CHUNKS_IN && !b_sent -> lost=0; if :: !b_on -> BEGIN() :: else fi; b_rs=1; scan=0;
       seq++; key[seq]=3; COMMITTED() }
#else
  :: atomic { started && lost -> lost=0; seq++; key[seq]=3; COMMITTED() }
#endif
#endif
  /* a slice */
  :: atomic { started && CHUNKS_IN && !lost && !b_sent && len(net)<QLEN && (b_on || t_pos<seq || !t_cons) ->
       if :: !b_on -> BEGIN() :: else fi;
       do
       :: pend&1 -> READ(0); pend=pend&6; did=1
       :: !(pend&1) && (pend&2) -> READ(1); pend=pend&5; did=1
       :: pend==4 -> READ(2); pend=0; did=1
       :: pend==0 && scanned<SCAN_TO -> SCAN_LOG(); did=1
       :: scan<3 -> if :: s[scan]!=0 -> READ(scan) :: else fi; scan++; did=1
       :: did -> break                                           /* budget */
       :: !did && pend==0 && scanned>=SCAN_TO && scan==ALL -> break   /* nothing to do */
       od;
       if
       :: ENDS -> tv=ver; do :: hs[tv]>TO -> tv-- :: else -> break od;
          net!1,sess,n,b_rs+2+(tv<<2),m,v[0],v[1],v[2],b_from,TO; b_sent=1; tv=0
       :: else -> net!1,sess,n,b_rs,m,v[0],v[1],v[2],b_from,0
       fi;
       n++; b_rs=0; m=0; did=0; k=0; v[0]=0; v[1]=0; v[2]=0 }
  od
}

proctype Net() {
  bit a; byte b,c,d,e,f,g,h,i,j;
end:
  do
  :: atomic { faults<NF && len(net)>0 -> faults++; net?a,b,c,d,e,f,g,h,i,j;
       if :: skip                                                               /* lost */
          :: len(net)==1 -> net!a,b,c,d,e,f,g,h,i,j                             /* overtaken */
          :: len(net)==0 -> net!a,b,c,d,e,f,g,h,i,j; net!a,b,c,d,e,f,g,h,i,j    /* doubled */
       fi;
       a=0;b=0;c=0;d=0;e=0;f=0;g=0;h=0;i=0;j=0 }
  od
}

inline MERGE(rs, mask, w0, w1, w2) {
  if :: (mask&1) -> t[0]=w0 :: else -> if :: rs -> t[0]=0 :: else fi fi;
  if :: (mask&2) -> t[1]=w1 :: else -> if :: rs -> t[1]=0 :: else fi fi;
  if :: (mask&4) -> t[2]=w2 :: else -> if :: rs -> t[2]=0 :: else fi fi
}
inline STAGE1(q, w) {
#ifdef M_EARLIER_WINS
  if :: (e&(1<<q)) && !(g_m&(1<<q)) -> g_v[q]=w :: else fi
#else
  if :: (e&(1<<q)) -> g_v[q]=w :: else fi
#endif
}
inline STAGE() {
#ifdef M_RESET_OLD
  if :: (d&1) -> g_rs=1 :: else fi;
#else
  if :: (d&1) -> g_rs=1; g_m=0; g_v[0]=0; g_v[1]=0; g_v[2]=0 :: else fi;
#endif
  STAGE1(0,f); STAGE1(1,g); STAGE1(2,h); g_m = g_m|e; g_from=i; g_n++;
#ifdef M_RESET_KEEP
  g_rs=0;
#endif
#ifdef M_SPLIT
  if :: !(d&2) -> MERGE(0, g_m, g_v[0], g_v[1], g_v[2]); CHECK_ANY() :: else fi;
#endif
  if :: (d&2) -> g_to=j; g_ver=d>>2; g_end=1 :: else fi
}
inline UNSTAGE() { g_n=0; g_m=0; g_v[0]=0; g_v[1]=0; g_v[2]=0; g_from=0; g_to=0; g_ver=0; g_rs=0; g_end=0 }
inline UNREAD() { b_on=0; b_sent=0; b_rs=0; b_from=0; scanned=0; pend=0; n=0; scan=0 }
inline LOAD() {
  if :: c==0 -> t[0]=f; t[1]=g :: else -> t[2]=h fi; ld=ld|(c+1); cp[c]=j;
#ifdef M_CONS_EARLY
  if :: ld==ALL -> t_cons=true :: else fi;
#endif
  CHECK()
}
proctype Apply() {
  bit a; byte b,c,d,e,f,g,h,i,j;
end:
  do
  :: atomic { !g_end && len(net)>0 -> net?a,b,c,d,e,f,g,h,i,j;
       if
#ifdef M_NO_CURSOR
       :: a==0 -> LOAD()
#else
       :: a==0 && !(ld&(c+1)) ->                     /* of any session: the catch-up covers all since P0 */
#ifdef M_CURSOR_SEP
          if :: LOAD() :: ld=ld|(c+1); cp[c]=j fi    /* killed before the rows */
#else
          LOAD()
#endif
       :: a==0 && (ld&(c+1)) -> skip
#endif
#ifdef M_NO_SESSION
       :: a==1 && !err ->
#else
       :: a==1 && b!=sess -> skip
       :: a==1 && b==sess && !err ->
#endif
#ifdef M_NO_N
          STAGE()
#else
          if :: c==g_n -> STAGE() :: else -> err=1 fi
#endif
       :: a==1 && err -> skip
       fi;
       a=0;b=0;c=0;d=0;e=0;f=0;g=0;h=0;i=0;j=0 }
  :: atomic { g_end && !err ->
       if
#ifndef M_NO_CAS
       :: t_pos!=g_from -> err=1; UNSTAGE()
#endif
       :: else ->
          MERGE(g_rs, g_m, g_v[0], g_v[1], g_v[2]); t_pos=g_to; t_ver=g_ver; if :: ld==ALL -> t_cons=true :: else fi; CHECK();
          UNSTAGE(); UNREAD()                        /* ack */
       fi }
#ifdef ZOMBIE
  :: atomic { z ->
       if
#ifndef M_NO_CAS
       :: t_pos!=z_from -> skip
#endif
       :: else -> MERGE(z_rs, z_m, z_v[0], z_v[1], z_v[2]); t_pos=z_to; t_ver=z_ver; t_cons=true; CHECK()
       fi;
       z=0; z_m=0; z_v[0]=0; z_v[1]=0; z_v[2]=0; z_from=0; z_to=0; z_ver=0; z_rs=0 }
#endif
  od
}
#define MISSING ((cn[0]==2 && !(ld&1)) || (cn[1]==2 && !(ld&2)) || (b_sent && !g_end))
inline RESTART() {
#ifdef ZOMBIE
  if :: g_end && !z -> z=1; z_m=g_m; z_v[0]=g_v[0]; z_v[1]=g_v[1]; z_v[2]=g_v[2]; z_from=g_from; z_to=g_to; z_ver=g_ver; z_rs=g_rs
     :: true
  fi;
#endif
  sess++; err=0; cn[0]=0; cn[1]=0; cv[0]=0; UNSTAGE(); UNREAD()
}
proctype Session() {
end:
  do
  :: atomic { crashes<NC && started -> crashes++; RESTART() }
  :: atomic { sess<NC+NF+2 && (err || (len(net)==0 && MISSING)) -> RESTART() }
  od
}
proctype Monitor() {
  timeout;
  assert(t_cons && t_pos==seq && t[0]==s[0] && t[1]==s[1] && t[2]==s[2])
}
init { atomic {
  s[0]=1; s[1]=2; wid=2; h0[0]=1; h1[0]=2;
#ifdef FOLLOW
  t[0]=1; t[1]=2; ld=ALL; started=true; t_cons=true;
#endif
  run App(); run Reader(); run Net(); run Apply(); run Session();
#ifndef M_NO_SESSION      /* it restarts more often than is counted here: S1 has to catch it */
  run Monitor()
#endif
} }
