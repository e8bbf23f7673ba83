/* The lease and the commit of one session, as docs/simulation.md explains.

   Two workers, two messages that are delivered as often as the queue likes and to both at once. A worker may crash
   between any two steps and forget everything, may be paused for any time (that is what interleaving means), its lease
   may run out at any moment, and the reply to any write may be lost.

   "code:" names the function that does the step; a test sees to it that each of them exists.

   FENCED=0  the head is written whoever holds the lease: the checker must find a broken promise
   READBACK=0  an unanswered commit counts as done: likewise
   ORDERED=0  the message is acknowledged before the commit: likewise */

#ifndef FENCED
#define FENCED 1
#endif
#ifndef READBACK
#define READBACK 1
#endif
#ifndef ORDERED
#define ORDERED 1
#endif

#define MESSAGES 2
#ifndef MOST_FENCES
#define MOST_FENCES 4   /* leases taken in all: what bounds the search */
#endif
#ifndef MOST_LOST
#define MOST_LOST 2     /* replies lost in all */
#endif
#ifndef MOST_CRASHES
#define MOST_CRASHES 2
#endif

/* ---- the head: one record of the table ---- */
byte version = 0;       /* of the record: +1 with every write */
byte fence = 0;         /* +1 each time the lease passes */
byte owner = 0;         /* 0: free */
bool run_out = false;   /* the lease's time is over */
byte turn = 0;          /* the session's version */
byte answered = 0;      /* messages in the head, a bit each */
byte live = 0;          /* the pack of the newest version, by the fence that wrote it */

/* ---- the object store: one pack per fence is enough here ---- */
byte pack_turn[MOST_FENCES + 1];     /* the version it was made for; 0: there is none */
byte pack_message[MOST_FENCES + 1];

/* ---- the queue and the outside ---- */
byte acknowledged = 0;
byte sent = 0;
byte commits[MESSAGES]; /* a ghost: how many turns each message has been given */

byte lost_replies = 0, crashes = 0;

#define BIT(m) (1 << (m))

/* What is promised, looked at after every change. */
inline promises() {
  assert(commits[0] <= 1 && commits[1] <= 1);                 /* P2: one turn per message */
  assert((acknowledged & ~answered) == 0);                    /* P1: nothing acknowledged is lost */
  assert(turn == commits[0] + commits[1]);                    /* P5: versions are the turns, in order */
  assert(live == 0 || pack_turn[live] != 0);                  /* a head names no pack that is not there */
  assert((sent & ~answered) == 0)                             /* P6: no reply without its turn */
}

/* A lease runs out whenever it likes: clocks are not to be relied on. */
active proctype Time() {
end: do
  :: atomic { owner != 0 && !run_out -> run_out = true }
  od
}

inline maybe_crash() {
  if
  :: atomic { crashes < MOST_CRASHES -> crashes++; goto receive }
  :: skip
  fi
}

proctype Worker(byte me) {
  byte m, my_fence, my_version, my_turn, my_answered, my_pack, f;
  bool unanswered;

receive:  /* code: outlive.flows.work_queue.work_queue */
  atomic {
    my_fence = 0; my_version = 0; my_turn = 0; my_answered = 0; my_pack = 0; f = 0; unanswered = false;
    if
    :: (acknowledged & BIT(0)) == 0 -> m = 0
    :: (acknowledged & BIT(1)) == 0 -> m = 1
    :: acknowledged == 3 -> goto end_done
    fi
  }
  if
  :: ORDERED -> skip
  :: !ORDERED -> atomic { acknowledged = acknowledged | BIT(m); promises() }
  fi;

acquire:  /* code: outlive.flows.turn.hold_lease.acquire */
  atomic {
    if
    :: fence >= MOST_FENCES -> goto end_done
    :: fence < MOST_FENCES && (owner == 0 || owner == me || run_out) ->
       fence++; version++; owner = me; run_out = false;
       my_fence = fence; my_version = version; my_turn = turn; my_answered = answered
    :: else -> goto receive                                  /* Busy: the message waits */
    fi
  }
  if
  :: atomic { lost_replies < MOST_LOST -> lost_replies++; goto acquire }  /* again, as the same owner */
  :: skip
  fi;
  maybe_crash();

  if                                                         /* code: outlive.core.turns.look_up */
  :: (my_answered & BIT(m)) != 0 -> goto deliver
  :: else -> skip
  fi;

  atomic {                                                   /* code: outlive.flows.turn.find_flushes.find_flushes */
    f = 1;
    do
    :: f < my_fence && pack_turn[f] == my_turn + 1 && pack_message[f] == m + 1 -> my_pack = f; break
    :: f < my_fence && !(pack_turn[f] == my_turn + 1 && pack_message[f] == m + 1) -> f++
    :: f >= my_fence -> break
    od;
    f = 0
  }
  if
  :: my_pack != 0 -> goto commit                             /* code: outlive.flows.turn.commit_turn.adopt */
  :: else -> skip
  fi;
  maybe_crash();                                             /* the agent runs here, for any time */

put:  /* code: outlive.flows.retry.put_once */
  atomic { pack_turn[my_fence] = my_turn + 1; pack_message[my_fence] = m + 1; my_pack = my_fence }
  /* a lost reply is read back: the name is this lease's own, so what is there is ours */
  maybe_crash();

commit:  /* code: outlive.flows.turn.hold_lease.write_settled */
  atomic {
    if
    :: !FENCED || (version == my_version && fence == my_fence) ->
       version = (FENCED -> version + 1 : my_version + 1);
       turn = my_turn + 1; answered = my_answered | BIT(m); live = my_pack;
       commits[m]++;
       promises();
       if
       :: lost_replies < MOST_LOST -> lost_replies++; unanswered = true      /* landed, nobody says so */
       :: unanswered = false; my_version++; my_turn++; my_answered = my_answered | BIT(m)
       fi
    :: FENCED && !(version == my_version && fence == my_fence) ->
       if                                                    /* somebody was first, or it was ourselves: read back */
       :: unanswered && version == my_version + 1 && fence == my_fence ->
          unanswered = false; my_version++; my_turn++; my_answered = my_answered | BIT(m)
       :: else -> goto receive                               /* LeaseLost */
       fi
    :: lost_replies < MOST_LOST -> lost_replies++; unanswered = true         /* did not land, nobody says so */
    fi
  }
  if
  :: unanswered && READBACK -> goto commit
  :: unanswered && !READBACK -> unanswered = false; my_version++
  :: else -> skip
  fi;
  maybe_crash();

deliver:  /* code: outlive.flows.deliver_reply.deliver_pending */
  atomic { sent = sent | BIT(m); promises() }
  maybe_crash();

release:  /* code: outlive.flows.turn.hold_lease.Lease.release */
  atomic {
    if
    :: version == my_version && fence == my_fence -> owner = 0; run_out = false; version++
    :: else -> skip                                          /* passed on meanwhile: the turn counts all the same */
    fi
  }
  maybe_crash();

ack:  /* code: outlive.flows.work_queue.work_one */
  atomic { acknowledged = acknowledged | BIT(m); promises() }
  goto receive;

end_done:
  skip
}

init {
  atomic { run Worker(1); run Worker(2) }
}
