// PostgreSQL's two rows that say who writes (lockstep.switchover, lockstep.ledger), changed
// together or not at all, durable on synchronous standbys as well. For this folder only.
#pragma once

#include <string>

#include "link/postgres/connection.hpp"
#include "model/clock.hpp"

namespace lockstep::switchover {

/// Between two statements that follow at once.
inline constexpr Milliseconds kIdleMax{2'000};

struct RowChange {
  std::string switchover;  ///< "SET .. WHERE .." without the migration
  std::string ledger;
};

/// A transaction that is durable, and whose locks the server frees if its client says nothing for
/// `idle`.
void begin_control(postgres::Connection& connection, Milliseconds idle = kIdleMax);
/// Throws LS-T212 if the answer is lost.
void commit_control(postgres::Connection& connection);

/// In the open transaction: true if both rows were as the conditions say. If not, roll back.
[[nodiscard]] bool update_rows(postgres::Connection& connection, const std::string& migration,
                               const RowChange& what);
/// In a transaction of its own. Behind the fence nothing but the rows' owners can end the wait for
/// them: then `patience` is 0, without a limit. Throws what the server says when it is over.
[[nodiscard]] bool change_rows(postgres::Connection& connection, const std::string& migration,
                               const RowChange& what, Milliseconds patience = Milliseconds{0});

/// Which sessions have passed PostgreSQL's fence and not ended yet, for people.
[[nodiscard]] std::string fence_holders(postgres::Connection& connection,
                                        const std::string& migration);

}  // namespace lockstep::switchover
