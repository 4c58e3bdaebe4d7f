/* Part of cutover.pml: what happens to whole hosts. */

#if defined(FAILOVER) || defined(TPOWER)   /* what the standby has, or the disk */
proctype Standby() {
end:
  do
  :: atomic { nfail<1 && (b0!=t0 || b1!=t1 || b_pos!=t_pos || b_cc!=t_cc || b_att!=t_att || b_dec!=t_dec || b_log!=t_log ||
              b_aid!=t_aid || b_anum!=t_anum || b_fence!=t_fence || b_open!=t_open || b_rep!=t_rep || b_nseq!=t_nseq) -> SHIP() }
  :: atomic { nfail<1 -> nfail++;
       t0=b0; t1=b1; t_att=b_att; t_dec=b_dec; t_pos=b_pos; t_pid=b_pid; t_base=b_base; t_log=b_log; t_aid=b_aid; t_anum=b_anum;
       t_cc=b_cc; t_fence=b_fence; t_open=b_open; t_rep=b_rep; t_lock=0; inf[0]=false;
#ifdef FAILOVER
       t_line++;
#endif
#if NTW>1
       inf[1]=false;
#endif
       /* Commits that only the dead primary, or its memory, had were acknowledged: the asynchronous standby's loss, or
          that of synchronous_commit=off, not ours. The acknowledged state follows T; S may now be AHEAD of T. */
       if :: t_open -> r0=t0; r1=t1 :: else fi; CHECK() }
  od
}
#endif

#ifdef SRESTORE
proctype Restore() {
  byte v0,v1,vs,vf;
end:
  atomic { s_open && !s_rep && s_att==0 -> v0=s0; v1=s1; vs=s_seq; vf=s_fence }   /* backup */
end2:
  atomic { s_open && !s_rep && s_att==0 && s_seq>vs && !s_lock ->                 /* put back */
    s0=v0; s1=v1; s_seq=vs; s_fence=vf; r0=s0; r1=s1; nrest++ }
}
#endif

#ifdef SPOWER
proctype Power() {
end:
  do
  :: atomic { npow<1 && s_open && c_seq<s_seq -> SDUR() }                    /* the kernel writes back */
  :: atomic { npow<1 -> npow++;                                              /* power loss */
       s0=c0; s1=c1; s_fence=c_fence; s_att=c_att; s_dec=c_dec; s_seq=c_seq; s_rpos=c_rpos; s_gid=c_gid;
       s_rid=c_rid; s_rnum=c_rnum; s_snap=c_snap; s_line=c_line;
       s_open=c_open; s_rep=c_rep; s_lock=0;
       if :: s_open && !t_open -> r0=s0; r1=s1 :: else fi; CHECK() }
  od
}
#endif

#ifdef SRESTORE_ANY            /* known limit: an old file put back AFTER the handover is open by itself */
proctype RestoreAny() {
  byte v0,v1,vs;
end:
  atomic { s_open && !s_rep -> v0=s0; v1=s1; vs=s_seq }
end2:
  atomic { !s_open && s_rep -> s0=v0; s1=v1; s_seq=vs; s_fence=0; s_rep=false; s_open=true; CHECK() }
}
#endif
