// What `lockstep wait` asks PostgreSQL: how far clean comparisons reach, and whether SQLite has
// what was committed there before the waiting began.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "link/postgres/connection.hpp"
#include "model/position.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

struct MigrationPlace {
  std::string path;    ///< of the SQLite file, on this host
  std::string target;  ///< conninfo
  std::string migration;
};
/// `side` is a SOURCE or a TARGET. Throws LS-R712 if there is no migration, LS-S301 if the SQLite
/// file is not on this host.
[[nodiscard]] MigrationPlace place_of_side(const std::string& side);

/// Every row of every table was compared at this position or behind it, and was equal; nothing if
/// the newest comparison of all tables says otherwise.
struct VerifiedUpTo {
  Position position;
  std::int64_t pass = 0;
};
[[nodiscard]] std::optional<VerifiedUpTo> verified_up_to(
    const verify::PassResult& newest, const std::vector<verify::TableRecord>& records);
[[nodiscard]] std::optional<VerifiedUpTo> verified_up_to(postgres::Connection& target,
                                                         const std::string& migration,
                                                         const verify::History& history = {});
/// After a cutover: the position of the newest round that PostgreSQL knows of.
[[nodiscard]] std::optional<Position> newest_round(postgres::Connection& target,
                                                   const std::string& migration);

/// What is committed on PostgreSQL now, as pg_snapshot's text.
[[nodiscard]] std::string committed_now(postgres::Connection& target);
/// SQLite has everything of that snapshot, durably: nothing of it is in the log any more.
[[nodiscard]] bool has_come_back(postgres::Connection& target, const std::string& migration,
                                 const std::string& snapshot);

}  // namespace lockstep::ops
