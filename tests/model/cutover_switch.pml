/* Part of cutover.pml: the coordinator, any number of them. */

#define RELEASE if :: s_lock==me -> s_lock=0 :: else fi; if :: t_lock==me -> t_lock=0 :: else fi
#define FORGET a=0; bar=0; bid=0
#define CRASH  atomic { ncrash < NCRASH -> if :: NCRASH < 250 -> ncrash++ :: else fi; RELEASE; FORGET } goto restart
#ifdef M_COUNT_ONLY
#define SAMEF (t_pos==bar)
#else
#define SAMEF (t_pos==bar && t_pid==bid)
#endif
#ifdef SEQLOG
#define DRAINED true
#define SAMER (s_rpos==bar)
#else
#define DRAINED (t_log==0)
#define SAMER (s_rid==bid)
#endif
#define TOP ( (t_att>s_att -> t_att : s_att) )
#define TOPF ( (t_fence>s_fence -> t_fence : s_fence) )
#define NEXT ( (TOP>TOPF -> TOP : TOPF) + 1 )

#ifdef M_PREPARE_OVER                /* mutant: a pending attempt is overwritten */
#define SETTLED(dec) true
#else
#define SETTLED(dec) (dec!=PENDING)
#endif
#ifdef M_PREPARE_NO_ATTEMPT          /* mutant: an attempt can get a number that was used before */
#define NEWER(att) true
#else
#define NEWER(att) (att<a)
#endif
#define FWDP (t_rep && NEWER(t_att) && SETTLED(t_dec))
#define REVP (s_rep && NEWER(s_att) && SETTLED(s_dec))

proctype Coord(byte me) {
  byte a, bar, bid;
end:
restart:
  do
  /* start a cutover or a rollback: both sides are looked at, then P, on the gainer alone, when it comes to it */
  :: atomic { t_rep && SETTLED(t_dec) && s_open && NEXT<=MAXA -> a=NEXT } goto fwd_prepare
  :: atomic { s_rep && SETTLED(s_dec) && t_open && NEXT<=MAXA -> a=NEXT } goto rev_prepare
  /* recovery: finish what is unfinished, ours or not */
  :: atomic { t_dec==PENDING && t_rep -> a=t_att }
     if :: goto fwd_lock :: goto fwd_abort fi
  :: atomic { s_dec==PENDING && s_rep -> a=s_att }
     if :: goto rev_lock :: goto rev_abort fi
#ifndef M_NO_RECOVER                 /* mutant: nobody finishes an aborted cutover */
  :: atomic { t_dec==ABORTED && t_rep && !s_rep && (s_fence<t_att || (s_fence==t_att && !s_open)) -> a=t_att }
     goto fwd_unfence
#endif
  :: atomic { s_dec==ABORTED && s_rep && !t_rep && (t_fence<s_att || (t_fence==s_att && !t_open)) -> a=s_att }
     goto rev_unfence
  :: atomic { t_dec==COMMITTED && !t_rep && s_fence==t_att && !s_open && !s_rep -> a=t_att } goto fwd_hand
  :: atomic { s_dec==COMMITTED && !s_rep && t_fence==s_att && !t_open && !t_rep -> a=s_att } goto rev_hand
  od;

  /* ============================== forward ============================== */
fwd_prepare:
  /* P */
  if
  :: atomic { FWDP -> t_att=a; t_dec=PENDING; SYNC(); CHECK() }
  :: atomic { !FWDP -> a=0 } goto restart
  fi;
  if :: CRASH :: skip fi;
fwd_lock:
  if
  /* L: BEGIN IMMEDIATE; the barrier is what is last under the lock */
  :: atomic { s_fence<a && !s_rep && !s_lock ->
       bar=s_seq; bid=sid[s_seq];
#ifdef M_BARRIER_FIRST               /* mutant: barrier read, and waited for, before the transaction of the fence */
#else
       s_lock=me
#endif
     }
  /* another coordinator fenced and died: go on from there */
  :: atomic { s_fence==a && !s_open && !s_rep -> bar=s_seq; bid=sid[s_seq] } goto fwd_closed
  /* BUSY for longer than the budget, or the attempt is stale */
  :: goto fwd_abort
  fi;
  if :: CRASH :: skip fi;
  /* W: under the lock */
  if
  :: atomic { SAMEF }
#ifdef M_KEEP_LOCK                   /* mutant: over the budget, the attempt is given up but not the lock */
  :: atomic { FORGET } goto restart
#else
  :: atomic { RELEASE } goto fwd_abort                     /* over the budget, or the check failed */
#endif
  fi;
  if :: CRASH :: skip fi;
  /* F: the COMMIT of the transaction that holds the lock */
  if
#ifdef M_BARRIER_FIRST
  :: atomic { s_fence<a && !s_rep && !s_lock -> s_fence=a; s_open=false; SSYNC(); CHECK() }
  :: atomic { !(s_fence<a && !s_rep && !s_lock) } goto fwd_abort
#else
  :: atomic { s_lock==me -> s_fence=a; s_open=false; s_lock=0; SSYNC(); CHECK() }
  :: atomic { s_lock!=me } goto fwd_abort                  /* the connection did not survive */
#endif
  fi;
  if :: CRASH :: skip fi;
fwd_closed:
  /* W: at once for who fenced, a wait for who found it fenced; a failover can have taken the position back */
  if
  :: atomic { SAMEF }
  :: goto fwd_abort
  fi;
  if :: CRASH :: skip fi;
  /* C: the arbiter */
  if
#ifdef M_NO_CAS                      /* mutant: activation without compare-and-set */
  :: atomic { t_rep ->
#elif defined(M_COMMIT_NO_POS)       /* mutant: position looked at earlier, not in the transaction that opens */
  :: atomic { t_dec==PENDING && t_att==a && t_rep ->
#elif defined(M_COMMIT_NO_ATTEMPT)   /* mutant: whatever attempt is pending */
  :: atomic { t_dec==PENDING && SAMEF && t_rep ->
#else
  :: atomic { t_dec==PENDING && t_att==a && SAMEF && t_rep ->
#endif
       t_dec=COMMITTED; t_open=true; t_rep=false; t_base=RPOSMAX;
#ifndef M_NO_ERA
       t_aid=100+a;                  /* new era for the reverse direction */
#endif
       t_anum=0;                     /* log rows that are left may stay: a key too many is harmless */
       th0[t_cc]=t0; th1[t_cc]=t1;   /* [ghost] new base of the history */
       SYNC(); bar=0; bid=0; CHECK() }
#ifdef M_NO_CAS
  :: atomic { !t_rep -> FORGET } goto restart
#elif defined(M_COMMIT_NO_POS)
  :: atomic { !(t_dec==PENDING && t_att==a && t_rep) -> bar=0; bid=0 } goto fwd_abort
#elif defined(M_COMMIT_NO_ATTEMPT)
  :: atomic { !(t_dec==PENDING && SAMEF && t_rep) -> bar=0; bid=0 } goto fwd_abort
#else
  :: atomic { !(t_dec==PENDING && t_att==a && SAMEF && t_rep) -> bar=0; bid=0 } goto fwd_abort
#endif
  fi;
  if :: CRASH :: skip fi;
fwd_hand:
  /* H: what T decided, its base and era, is read first; it stays as it is until S is a replica */
  if
  :: atomic { t_att==a && t_dec==COMMITTED && !t_rep -> bid=t_aid; bar=t_base }
  :: atomic { !(t_att==a && t_dec==COMMITTED && !t_rep) -> FORGET } goto restart
  fi;
  atomic {
    if
#ifdef M_HAND_NO_CAS                 /* mutant: handover without compare-and-set */
    :: !s_open && !s_rep ->
#else
    :: s_fence==a && !s_open && !s_rep ->
#endif
         s_rep=true;
         s_rnum=0; s_rid=bid; s_line=NOLINE; s_snap=0; s_rpos=bar; s_gid=tid[bar];
         SSYNC(); CHECK()
    :: else
    fi; FORGET }
  goto restart;

fwd_abort:
  bar=0; bid=0;
#ifdef M_ABORT_NO_ARBITER            /* mutant: unfence without asking the arbiter */
  goto fwd_unfence;
#endif
  /* A1 */
  if
  :: atomic { t_att==a && t_dec==PENDING -> t_dec=ABORTED; SYNC() }
  :: atomic { t_att==a && t_dec==ABORTED }
  :: atomic { t_att!=a || t_dec==COMMITTED || t_dec==NONE -> a=0 } goto restart
  fi;
  if :: CRASH :: skip fi;
fwd_unfence:
  /* A2, behind the lock of others */
  atomic { !s_lock ->
    if
#ifdef M_UNFENCE_NO_CAS              /* mutant: a stale unfence is accepted */
    :: true -> s_open=true; CHECK()
#elif defined(M_NO_POISON)           /* mutant: unfence does not raise the fence's number */
    :: s_fence<=a && !s_rep -> s_open=true; SSYNC(); CHECK()
    :: else
#else
    :: s_fence<=a && !s_rep -> s_fence=a; s_open=true; SSYNC(); CHECK()
    :: else
#endif
    fi; a=0 }
  goto restart;

  /* ============================== rollback ============================= */
rev_prepare:
  /* P */
  if
  :: atomic { REVP -> s_att=a; s_dec=PENDING; SSYNC(); CHECK() }
  :: atomic { !REVP -> a=0 } goto restart
  fi;
  if :: CRASH :: skip fi;
rev_lock:
  if
  /* L: nobody that passed the fence is in flight, and newcomers wait */
#ifdef M_FENCE_NO_WAIT               /* mutant: the fence does not wait for transactions in flight */
  :: atomic { t_fence<a && !t_rep && !t_lock -> t_lock=me }
#else
  :: atomic { t_fence<a && !t_rep && !t_lock && !INFL -> t_lock=me }
#endif
  /* another coordinator fenced and died: go on from there */
  :: atomic { t_fence==a && !t_open && !t_rep -> bar=RPOSMAX } goto rev_closed
  /* lock_timeout, or the attempt is stale */
  :: goto rev_abort
  fi;
  if :: CRASH :: skip fi;
  /* W: under the lock */
  if
#ifdef M_DRAIN_FIRST                 /* mutant: drained before the lock is taken, not under it */
  :: atomic { t_lock==me -> bid=t_aid; bar=RPOSMAX }
#else
  :: atomic { t_lock==me && DRAINED -> bid=t_aid; bar=RPOSMAX }
#endif
  :: atomic { RELEASE } goto rev_abort                     /* over the budget, or the connection did not survive */
  fi;
  if :: CRASH :: skip fi;
  /* F: the COMMIT of the transaction that holds the lock */
  if
  :: atomic { t_lock==me -> t_fence=a; t_open=false; t_lock=0; SYNC(); CHECK() } goto rev_fenced
  :: atomic { t_lock!=me } goto rev_abort
  fi;
rev_closed:
  /* W */
  if
  :: atomic { DRAINED -> bid=t_aid }
  :: goto rev_abort
  fi;
rev_fenced:
  if :: CRASH :: skip fi;
#ifdef M_REV_NO_POS                  /* mutant: position looked at earlier, not in the transaction that opens */
  if :: atomic { SAMER } :: goto rev_abort fi;
#endif
  /* C */
#ifdef M_REV_NO_CAS_C                /* mutant: activation without compare-and-set */
#define REVC (s_rep)
#elif defined(M_EMPTY_ENOUGH)        /* mutant: an empty log stands for "S has what T has", the position is not looked at */
#define REVC (s_dec==PENDING && s_att==a && s_rep)
#elif defined(M_REV_NO_POS)          /* mutant: position looked at earlier, not in the transaction that opens */
#define REVC (s_dec==PENDING && s_att==a && s_rep)
#else
#define REVC (s_dec==PENDING && s_att==a && SAMER && s_rep)
#endif
  if
  :: atomic { REVC ->
       s_dec=COMMITTED; s_open=true; s_rep=false;
#ifndef M_NO_ERA
       sid[s_seq]=100+a;             /* new era: the base position gets a new identity, so a
                                        batch still travelling from an older era cannot fit  */
#endif
       sh0[s_seq]=s0; sh1[s_seq]=s1; /* [ghost] new base of the history */
       SSYNC(); bar=0; bid=0; CHECK() }
  :: atomic { !REVC -> bar=0; bid=0 } goto rev_abort
  fi;
  if :: CRASH :: skip fi;
rev_hand:
  /* H: likewise */
  if
  :: atomic { s_att==a && s_dec==COMMITTED && !s_rep -> bid=sid[t_pos] }
  :: atomic { !(s_att==a && s_dec==COMMITTED && !s_rep) -> FORGET } goto restart
  fi;
  atomic {
    if
#ifdef M_HAND_NO_CAS
    :: !t_open && !t_rep ->
#else
    :: t_fence==a && !t_open && !t_rep ->
#endif
         t_rep=true; t_pid=bid; SYNC(); CHECK()
    :: else
    fi; FORGET }
  goto restart;

rev_abort:
  bar=0; bid=0;
#ifdef M_REV_ABORT_NO_ARBITER        /* mutant: unfence without asking the arbiter */
  goto rev_unfence;
#endif
  /* A1 */
  if
  :: atomic { s_att==a && s_dec==PENDING -> s_dec=ABORTED; SSYNC() }
  :: atomic { s_att==a && s_dec==ABORTED }
  :: atomic { s_att!=a || s_dec==COMMITTED || s_dec==NONE -> a=0 } goto restart
  fi;
  if :: CRASH :: skip fi;
rev_unfence:
  /* A2 */
  atomic {
    if
#ifdef M_REV_UNFENCE_NO_CAS          /* mutant: a stale unfence is accepted */
    :: !t_rep -> t_open=true; SYNC(); CHECK()
#else
    :: t_fence<=a && !t_rep -> t_fence=a; t_open=true; SYNC(); CHECK()
#endif
    :: else
    fi; a=0 }
  goto restart
}
