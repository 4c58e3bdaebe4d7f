// What is shown of tables that the application writes on both sides.
#include <fmt/format.h>

#include <utility>

#include "ops/board.hpp"

namespace lockstep::ops {

namespace {

constexpr std::chrono::minutes kConflictNoteEvery{1};

}  // namespace

void Board::dual_note(std::string what) {
  const std::lock_guard lock(mutex_);
  if (schema_notes_.insert(what).second) note({"LS-X654", "", std::move(what)});
}

void Board::dual_writes(const std::vector<apply::DualTable>& tables) {
  const std::lock_guard lock(mutex_);
  for (TableProgress& table : status_.tables) {
    const apply::DualTable* now = apply::find_dual(tables, table.id);
    const bool more = now != nullptr && table.dual && now->conflicts > table.dual->conflicts;
    const SteadyTime at = steady_now();
    if (more && (!conflict_noted_ || at - *conflict_noted_ >= kConflictNoteEvery)) {
      conflict_noted_ = at;
      note({"LS-X655", table.name,
            fmt::format("{} conflict(s) in {} so far, the last: {} ({})", now->conflicts,
                        table.name, now->last_key,
                        now->policy == apply::DualPolicy::skip ? "the row on PostgreSQL stays"
                                                               : "the source's row was written")});
    }
    table.dual = now == nullptr ? std::nullopt : std::optional(*now);
  }
}

}  // namespace lockstep::ops
