// The guard on the target: while lockstep follows, nobody else writes to the copied tables by
// mistake. One trigger per table and statement, and a function that asks the ledger what is to be
// done, so that one UPDATE there opens it (role, guard_held). It is no protection against a role
// that means to: whoever may write can say SET lockstep.guard = off; for that there are privileges.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "link/postgres/connection.hpp"

namespace lockstep::apply {

enum class GuardMode {
  reject,  ///< writes of others are refused: SQLSTATE 25006, LS-X602
  detect,  ///< they pass, and are counted in lockstep.foreign_writes
  off,     ///< no trigger
};
[[nodiscard]] std::string_view to_string(GuardMode mode);
/// Nothing for any other word.
[[nodiscard]] std::optional<GuardMode> parse_guard_mode(std::string_view text);

/// A table, or a partition of one, that should have the trigger and has not.
struct Unguarded {
  std::string relation;  ///< schema.name, as the catalog spells it
  std::string why;
  bool operator==(const Unguarded&) const = default;
};

struct GuardSeen {
  GuardMode mode = GuardMode::off;
  bool held = false;  ///< open for the moment: hold_guard()
  std::vector<Unguarded> without;
  std::int64_t foreign_writes = 0;  ///< statements of others, counted with `detect`
  std::string last_write;           ///< the newest of them as a sentence; may be empty
  bool operator==(const GuardSeen&) const = default;
};

/// The ledger's columns and lockstep.foreign_writes, for a ledger that has none yet.
void ensure_guard_ledger(postgres::Connection& connection);

/// From now on it is `mode`; one UPDATE of the ledger, so also where a trigger cannot go at once.
/// Makes the function, which keep_guard()'s triggers call. Throws what the server says.
void set_guard(postgres::Connection& connection, const std::string& migration,
               const std::string& schema, GuardMode mode);

/// Puts triggers where they are missing or were disabled, and takes away those of tables that are
/// no longer followed (all of them with `off`). A table that is locked for more than 200 ms, or
/// where our role may not, is left as it is and named. Not in a transaction. One query where there
/// is nothing to do.
[[nodiscard]] GuardSeen keep_guard(postgres::Connection& connection, const std::string& migration,
                                   const std::string& schema);

/// The same without doing anything: what is there now. Nothing if the ledger knows no guard.
[[nodiscard]] std::optional<GuardSeen> look_at_guard(postgres::Connection& connection,
                                                     const std::string& migration,
                                                     const std::string& schema);

/// `held`: the guard lets everything pass until it is called again. What could be written meanwhile
/// owes a comparison (owed.hpp).
void hold_guard(postgres::Connection& connection, const std::string& migration, bool held);

/// Takes triggers, function and what was counted away, in one transaction; repeatable. Throws
/// LS-T213 if others keep a table for more than some seconds: then the guard is open, and nothing
/// else was done.
void remove_guard(postgres::Connection& connection, const std::string& migration,
                  const std::string& schema);

}  // namespace lockstep::apply
