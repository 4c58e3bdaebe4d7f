// What can go wrong in a run, and the dice for it.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::nemesis {

enum class Fault {
  kill,               ///< SIGKILL for one of lockstep's processes
  stop,               ///< SIGSTOP, SIGCONT later
  terminate,          ///< SIGTERM, started again
  duplicate,          ///< the same process once more beside the first
  backend_terminate,  ///< pg_terminate_backend for all sessions of lockstep
  backend_cancel,     ///< pg_cancel_backend, a dozen times
  server_immediate,   ///< PostgreSQL stops without a checkpoint and comes back
  server_kill,        ///< kill -9 for the postmaster
  server_read_only,   ///< default_transaction_read_only for a while
  server_timeouts,    ///< statement and lock timeouts of 1 ms set for the database
  server_lock,        ///< ACCESS EXCLUSIVE on a copied table for a while
  source_lock,        ///< BEGIN IMMEDIATE by another connection for a while
  source_exclusive,   ///< BEGIN EXCLUSIVE
  source_checkpoint,  ///< the application truncates the WAL
  source_vacuum,
  wire_reset,        ///< RST in the middle of what goes one way
  wire_flip,         ///< one bit
  wire_frozen,       ///< nothing goes on one way for a while
  wire_cable,        ///< connections hang for ever, new ones pass
  wire_slow,         ///< latency and small segments, for a while
  answer_lost,       ///< the next COMMIT happens, and its answer does not arrive
  server_unheard,    ///< connections end for lockstep, and not for the server
  foreign_write,     ///< somebody else deletes rows of the target; the guard has to refuse it
  server_disk_full,  ///< no file of a table can grow for a while; or none of the WAL: a panic
  // Rare, for each costs seconds.
  source_disk_low,  ///< the target is held up, changes gather: lockstep may give up (LS-S308)
  server_failover,  ///< the server dies; an asynchronous standby leads, which may be behind
};
inline constexpr int kFaults = 26;
/// The first of them; each of the others comes in one run of a dozen.
inline constexpr int kCommonFaults = 24;

[[nodiscard]] std::string_view to_string(Fault fault);

/// The faults of one run, in order. Each run knows a random half of the kinds only (swarm testing):
/// rare combinations come up more often that way. The rare ones come once in a run, at most.
[[nodiscard]] std::vector<Fault> draw_faults(std::mt19937_64& random);

/// For LOCKSTEP_FAILPOINTS: one of `names`, an action and a hit; often nothing.
[[nodiscard]] std::string draw_failpoint(std::mt19937_64& random,
                                         const std::vector<std::string>& names);

}  // namespace lockstep::nemesis
