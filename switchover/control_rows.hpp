// PostgreSQL's two rows that say who writes (lockstep.switchover, lockstep.ledger), changed
// together or not at all, durable on synchronous standbys as well. For this folder only.
#pragma once

#include <functional>
#include <string>

#include "link/postgres/connection.hpp"
#include "model/clock.hpp"

namespace lockstep::switchover {

/// Between two statements that follow at once.
inline constexpr Milliseconds kIdleMax{2'000};

/// An application above READ COMMITTED may hold the row.
inline constexpr Milliseconds kRowPatience{3'000};

struct RowChange {
  std::string switchover;  ///< "SET .. WHERE .." without the migration
  std::string ledger;
};

/// A transaction that is durable, and whose locks the server frees if its client says nothing for
/// `idle`.
void begin_control(postgres::Connection& connection, Milliseconds idle = kIdleMax);
/// Throws LS-T212 if the answer is lost.
void commit_control(postgres::Connection& connection);

/// LS-T213 of whoever locks these rows, for `error`, which came after `waited`.
[[noreturn]] void throw_rows_locked(postgres::Connection& connection, const std::string& migration,
                                    const Error& error, Milliseconds waited);

/// In the open transaction: true if both rows were as the conditions say. If not, roll back.
[[nodiscard]] bool update_rows(postgres::Connection& connection, const std::string& migration,
                               const RowChange& what);
/// In a transaction of its own. Behind the fence nothing but the rows' owners can end the wait for
/// them: then `patience` is 0, without a limit. Throws what the server says when it is over.
[[nodiscard]] bool change_rows(postgres::Connection& connection, const std::string& migration,
                               const RowChange& what, Milliseconds patience = Milliseconds{0});

/// A transaction of what `change` does to these rows, for whoever waits for them while writers can
/// go on. Throws LS-T213 if others lock them for longer than `patience`.
void change_within(postgres::Connection& connection, const std::string& migration,
                   Milliseconds patience, const std::function<void()>& change);

/// Which sessions have passed PostgreSQL's fence and not ended yet, for people.
[[nodiscard]] std::string fence_holders(postgres::Connection& connection,
                                        const std::string& migration);

}  // namespace lockstep::switchover
