// SQLite may be locked by others while PostgreSQL's writers wait.
#pragma once

#include <algorithm>

#include "link/sqlite/database.hpp"
#include "model/error.hpp"
#include "switchover/pause.hpp"
#include "switchover/switch_errors.hpp"

namespace lockstep::switchover {

/// Runs `work`, which reads or writes `database`, and has it wait for locks no longer than what is
/// left of the pause: LS-X604 instead of LS-S309.
template <class Work>
void within_budget(sqlite::Database& database, const Pause& pause, const Work& work) {
  // 0 would not even try.
  const Milliseconds usual = database.busy_patience();
  database.set_busy_patience(std::max(pause.left(), Milliseconds{1}));
  try {
    work();
  } catch (const Error& error) {
    database.set_busy_patience(usual);
    if (error.code() != "LS-S309") throw;
    throw_over_budget("DRAIN", pause.max(), error.what(), "PostgreSQL");
  }
  database.set_busy_patience(usual);
}

}  // namespace lockstep::switchover
