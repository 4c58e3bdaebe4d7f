/* Part of cutover.pml: the application. */

/* ------------------------------------------------------- application on S */
proctype AppS() {
  byte m;
end:
  do
  :: atomic { s_open && !s_lock && s_seq < NS && wid < NS+NT ->   /* waits in its busy timeout while the lock is held */
       if :: m=1 :: m=2 :: m=3 fi;
       wid++; s_seq++;
       if :: (m & 1) -> s0=wid; r0=wid :: else fi;
       if :: (m & 2) -> s1=wid; r1=wid :: else fi;
       smask[s_seq]=m; sh0[s_seq]=s0; sh1[s_seq]=s1; sid[s_seq]=wid; m=0;
       CHECK() }
  od
}

/* ------------------------------------------------------- application on T */
proctype AppT(byte id) {
  byte m, n;
end:
  do
  :: atomic { t_open && t_nseq < NT && !t_lock ->         /* first write: shared lock, and read the fence */
       t_nseq++;
#ifdef M_FENCE_SNAPSHOT             /* mutant: lock now, but the fence row is read through an old snapshot */
       if :: m=1 :: m=2 :: m=3 fi }
     atomic { !t_lock -> inf[id]=true;
#else
       inf[id]=true;
#endif
#ifdef SEQLOG
       n=t_nseq;
#endif
#ifndef M_FENCE_SNAPSHOT
       if :: m=1 :: m=2 :: m=3 fi
#endif
     }
     if
     :: atomic { inf[id] ->                               /* COMMIT            */
          wid++; t_cc++;
          if :: (m & 1) -> t0=wid; r0=wid :: else fi;
          if :: (m & 2) -> t1=wid; r1=wid :: else fi;
          tmask[t_cc]=m; th0[t_cc]=t0; th1[t_cc]=t1; tid[t_cc]=wid;
#ifdef M_LATE_TRIGGER               /* mutant: reverse capture starts after opening, at the handover */
          if :: s_rep -> t_log = t_log | (1<<t_cc) :: else fi;
#else
          t_log = t_log | (1<<t_cc);
#endif
#ifdef SEQLOG
          tn_mask[n]=m; tn_done[n]=true; n=0;
#endif
          CHECK(); inf[id]=false; m=0 }
     :: atomic { inf[id]=false;                           /* ROLLBACK / killed */
#ifdef SEQLOG
          tn_dead[n]=true; n=0;
#endif
          m=0 }
     fi
  od
}
