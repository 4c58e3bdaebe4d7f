// Rows of PostgreSQL that have not changed are logged again, so that the way back brings them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/shape.hpp"
#include "verify/digest.hpp"

namespace lockstep::switchover {

/// Of one table; keys as both sides show them (verify/README.md, canonical bytes).
struct RowsToLog {
  const TablePlan* plan = nullptr;
  std::vector<verify::Key> there{};  ///< PostgreSQL has these rows, or had them a moment ago
  std::vector<verify::Key> gone{};   ///< it has not: SQLite has to lose them
  bool anew = false;                 ///< every row of the table instead, as behind a TRUNCATE
};

struct Relogged {
  std::uint64_t rows = 0;          ///< keys that were logged
  std::vector<std::uint32_t> odd;  ///< tables with `gone` keys that their columns on PostgreSQL
                                   ///< cannot hold: none of these was logged
  std::string snapshot;            ///< shows what was logged
};

/// As if the application had written these rows, in one transaction: the next round reads each as
/// it is then, and writes or deletes it in SQLite. A key that were logged in a spelling that its
/// column does not take would stop every round: so each is cast first. Outside a transaction; the
/// session has the settings of ours, by which a key is the text that the triggers make of it.
[[nodiscard]] Relogged log_again(postgres::Connection& connection, const std::string& migration,
                                 const std::string& schema, const std::vector<RowsToLog>& tables);

}  // namespace lockstep::switchover
