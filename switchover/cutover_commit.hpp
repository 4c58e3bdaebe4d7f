// C of a cutover: PostgreSQL takes the writers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "link/postgres/connection.hpp"
#include "model/clock.hpp"
#include "model/position.hpp"
#include "switchover/reverse_position.hpp"

namespace lockstep::switchover {

/// The rows that C changes, locked before SQLite is fenced: whoever holds them (an application that
/// passes the fence above READ COMMITTED takes one FOR SHARE) would else hold C up for as long as
/// it likes, with both sides closed. The connection is in a transaction meanwhile.
class CutoverCommit {
 public:
  /// Throws LS-X604 (exit 6) if others keep them for longer than `patience`, and names them.
  CutoverCommit(postgres::Connection& connection, std::string migration, std::int64_t attempt,
                Milliseconds patience);
  ~CutoverCommit();
  CutoverCommit(const CutoverCommit&) = delete;
  CutoverCommit& operator=(const CutoverCommit&) = delete;

  /// The attempt may still be committed; it stays so until the end of this object.
  [[nodiscard]] bool is_pending() const { return pending_; }
  /// Pending, this attempt, applied = `barrier` -> primary. Returns where the reverse direction
  /// begins; nothing if the rows allow it no more. Throws LS-T212 if the answer is lost.
  [[nodiscard]] std::optional<ReversePosition> commit(const Position& barrier);

 private:
  postgres::Connection& connection_;
  std::string migration_;
  std::int64_t attempt_;
  ReversePosition base_;
  bool pending_ = false;
  bool open_ = true;
};

/// The same behind the fence, where there is no way but to wait.
[[nodiscard]] std::optional<ReversePosition> commit_postgres(postgres::Connection& connection,
                                                             const std::string& migration,
                                                             std::int64_t attempt,
                                                             const Position& barrier);

}  // namespace lockstep::switchover
