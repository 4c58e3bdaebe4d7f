/* Part of cutover.pml: replication, both ways. */

/* ----------------------------------------------------------------- capture */
proctype Capture() {
  byte from, to, m, i;
end:
  do
  :: atomic { ROOM && t_rep && t_pos < s_seq ->
       from = t_pos; to = s_seq;              /* resume point is the one stored in T */
#ifdef M_SPLIT                                /* mutant: cap the number of log entries */
       to = from+1;
#endif
#ifdef M_TORN                                 /* mutant: keys and values from two snapshots */
     }
     atomic {
#endif
       SHIPSYNC();
       m=0; i=from+1;
       do :: i<=to -> m = m | smask[i]; i++ :: i>to -> break od;
       if :: ROOM -> net!from,to,m,s0,s1,sid[from],sid[to] :: !ROOM fi;
       from=0; to=0; m=0; i=0 }
  od
}

/* ------------------------------------------------------------- bad network */
proctype Net() {
  byte a,b,c,d,e,g,h;
end:
  do
  :: atomic { len(net)>0 -> net?a,b,c,d,e,g,h;
       if
       :: skip                                                   /* lose      */
       :: net!a,b,c,d,e,g,h                                      /* reorder   */
       :: net!a,b,c,d,e,g,h; if :: ROOM -> net!a,b,c,d,e,g,h :: !ROOM fi /* duplicate */
       fi; a=0; b=0; c=0; d=0; e=0; g=0; h=0 }
  od
}

/* ----------------------------------------------------------- forward apply */
inline PUT() { if :: (m & 1) -> t0=x :: else fi; if :: (m & 2) -> t1=y :: else fi }

proctype Applier() {
  byte from,to,m,x,y,g,h; bool ok;
end:
  do
  :: atomic { len(net)>0 -> net?from,to,m,x,y,g,h }
#if defined(M_CHECK_THEN_APPLY)      /* mutant: check and write in two transactions */
     atomic { ok = (t_pos==from && t_rep && t_pid==g) }
     if :: atomic { ok -> PUT(); t_pos=to; t_pid=h; ok=false; CHECK() } :: atomic { !ok } fi;
#elif defined(M_POS_SEPARATE)        /* mutant: position in a transaction after the rows */
     atomic { ok = (t_pos==from && t_rep && t_pid==g); if :: ok -> PUT(); CHECK() :: else fi }
     if :: atomic { ok -> t_pos=to; t_pid=h; ok=false; CHECK() }
        :: atomic { ok=false } fi;   /* kill -9 between the two */
#else
     if
     :: atomic {                     /* ONE PostgreSQL transaction */
          if
#if defined(M_NO_POS_CHECK)          /* mutant: apply whatever arrives */
          :: t_rep ->
#elif defined(M_NO_ROLE_CHECK)       /* mutant: the role is not checked (equivalent: the position fences as well) */
          :: (t_pos==from && t_pid==g) ->
#elif defined(M_COUNT_ONLY)          /* mutant: position number without identity */
          :: (t_pos==from && t_rep) ->
#else
          :: (t_pos==from && t_rep && t_pid==g) ->
#endif
               PUT(); t_pos=to; t_pid=h; CHECK()
          :: else
          fi }
     :: skip                         /* kill -9 before commit: the batch is gone */
     fi;
#endif
     atomic { from=0; to=0; m=0; x=0; y=0; g=0; h=0 }
  od
}

/* ----------------------------------------------------------- reverse apply */
#ifndef SEQLOG
/* Exactly the rows that were read, and S's position with them: the acknowledgement. */
inline DELETE() { t_log = t_log & (255-take); t_anum = lnum; t_aid = lid }
#ifdef M_DELETE_RETRIED              /* mutant: it is sent again to the server that there is now */
#define SESSION true
#else
#define SESSION (nfail==session)     /* a session does not outlive its server */
#endif
#ifdef M_NO_TIMELINE                 /* mutant: which server S follows is not looked at */
#define FOREIGN false
#else
#define FOREIGN (fline!=NOLINE && fline!=line)
#endif
inline WHERE() { fid=s_rid; fnum=s_rnum; fline=s_line; fsnap=s_snap }

proctype Reverse() {
  byte fid,fnum,fline,fsnap,aid,num,line,take,lid,lnum,m,x,y,i,session;
  byte to,gid;                       /* [ghost] the commit boundary of the snapshot */
end:
  do
  :: atomic { s_rep && !s_halt && !t_rep && (t_log!=0 || t_aid!=s_rid)      /* NOTIFY, or the slow poll */
#ifndef M_REV_POS_LATE
       -> WHERE()                    /* where S is, before T is read */
#endif
     }
     atomic {                        /* one REPEATABLE READ snapshot of T: position, log rows, current rows */
       aid=t_aid; num=t_anum; line=t_line; take=t_log; to=t_cc; gid=tid[t_cc]; session=nfail; x=t0; y=t1; m=0; i=1;
       do :: i<=NT -> if :: take & (1<<i) -> m = m | tmask[i] :: else fi; i++ :: i>NT -> break od; i=0 }
#ifdef M_REV_POS_LATE                /* mutant: where S is, is read after T's snapshot */
     atomic { WHERE() }
#endif
#if defined(TPOWER) && !defined(M_SHIP_UNFLUSHED)   /* mutant: what T's disk does not have yet is applied on S */
     atomic { if :: SESSION -> SHIP() :: else -> take=0; lid=fid; goto done fi }
#endif
#ifdef M_DELETE_FIRST                /* mutant: log rows are deleted before S has committed */
     atomic { t_aid==aid && SESSION -> t_log = t_log & (255-take) }
#endif
     if
     :: atomic {                     /* ONE SQLite transaction */
          if
#ifdef M_REV_NO_CAS                  /* mutant: whatever S's position is by now */
          :: s_rep && !s_halt ->
#else
          :: s_rid==fid && s_rep && !s_halt ->
#endif
             if
             :: !FOREIGN && fid==aid ->
               if
               :: take!=0 ->
                  if :: (m & 1) -> s0=x :: else fi;
                  if :: (m & 2) -> s1=y :: else fi;
                  rounds++; s_rid=rounds; s_rnum=num+1; s_line=line; s_snap=take; lid=rounds; lnum=num+1;
                  s_rpos=to; s_gid=gid; REVSYNC(); CHECK()
               :: else
               fi
             :: !FOREIGN && fid!=aid && fnum==num+1 ->     /* the acknowledgement was lost: repeat it, then read again */
#ifdef REACH_REPEATED
               repeated=true;
#endif
               take=fsnap; lid=fid; lnum=fnum
             :: FOREIGN || (fid!=aid && fnum!=num+1) ->    /* T is another history: stop, tell the operator */
               s_halt=true; take=0; assert(nfail>0)        /* I6 */
             fi
          :: else -> take=0          /* refused: read again */
          fi }
     :: atomic { take=0 }            /* kill -9 */
     fi;
     if
     :: atomic {
          if
#ifdef M_DELETE_NO_CAS               /* mutant: whatever was acknowledged meanwhile */
          :: take!=0 && SESSION -> DELETE()
#elif defined(M_DELETE_ALL)          /* mutant: all log rows that there are by now */
          :: take!=0 && t_aid==aid && SESSION -> take=255; DELETE()
#else
          :: take!=0 && t_aid==aid && SESSION -> DELETE()
#endif
          :: else
          fi }
     :: skip                         /* kill -9: whoever comes next repeats it */
     fi;
done:
     atomic { fid=0; fnum=0; fline=0; fsnap=0; aid=0; num=0; line=0; take=0; lid=0; lnum=0; m=0; x=0; y=0; session=0; to=0; gid=0 }
  od
}

#else
/* Both mutants of reverse capture have a cursor on a sequence in place of the set of visible log rows. */
proctype Reverse() {
  byte from,to,m,x,y,i;
end:
  do
  :: atomic { s_rep && !s_halt && !t_rep && s_rpos < RPOSMAX ->
       from = s_rpos; m=0; to = from; i = 1;
       do
       :: i<=t_nseq ->
#ifdef M_SEQCURSOR                            /* mutant: cursor = highest nextval() seen */
            if :: tn_done[i] && i>to -> to=i :: else fi;
#else                                         /* M_XMIN: horizon on seq, but current values */
            if :: (tn_done[i] || tn_dead[i]) && i==to+1 -> to=i :: else fi;
#endif
            i++
       :: i>t_nseq -> break
       od;
       i=from+1;
       do :: i<=to -> m = m | tn_mask[i]; i++ :: i>to -> break od;
       x=t0; y=t1; i=0 }
     if
     :: atomic {
          if
          :: (s_rpos==from && s_rep && !s_halt) ->
               if :: (m & 1) -> s0=x :: else fi;
               if :: (m & 2) -> s1=y :: else fi;
               s_rpos=to;
#ifdef M_XMIN
               i=0;
               do :: i<=t_cc && !(s0==th0[i] && s1==th1[i]) -> i++ :: i>t_cc || (s0==th0[i] && s1==th1[i]) -> break od;
               assert(i<=t_cc); i=0;          /* I3: some commit boundary of T */
#endif
               CHECK()
          :: else
          fi }
     :: skip
     fi;
     atomic { from=0; to=0; m=0; x=0; y=0 }
  od
}
#endif
