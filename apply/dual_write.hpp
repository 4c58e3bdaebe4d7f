// Tables that the application writes on both sides at once. The guard is open for them, and a
// batch tells a row that the application wrote otherwise (a conflict) from one that merely waits
// for its change: lockstep.dual_rows has a digest of each row as the source had it at the ledger's
// position. Formats in apply/README.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apply/ledger.hpp"
#include "link/postgres/connection.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

/// What is done with a conflict; each is counted.
enum class DualPolicy : std::uint8_t {
  source,  ///< the source's row takes its place
  skip,    ///< it stays as the application wrote it
  fail,    ///< LS-X650, nothing of the batch is applied
};
[[nodiscard]] std::string_view to_string(DualPolicy policy);
/// Nothing for any other word.
[[nodiscard]] std::optional<DualPolicy> parse_dual_policy(std::string_view text);

/// By the table's name in SQLite.
using DualChoice = std::map<std::string, DualPolicy>;

struct DualTable {
  std::uint32_t id = 0;
  DualPolicy policy = DualPolicy::source;
  std::int64_t number = 0;  ///< its rows in lockstep.dual_rows
  std::int64_t conflicts = 0;
  std::string since{};     ///< position at which it began
  std::string last_key{};  ///< of the newest conflict; may be empty
  bool operator==(const DualTable&) const = default;
};

/// Null: the table is none of them.
[[nodiscard]] const DualTable* find_dual(const std::vector<DualTable>& tables, std::uint32_t id);

/// The ledger's columns and the two tables, for a ledger that has none yet.
void ensure_dual_ledger(postgres::Connection& connection);

/// Those that count: what is kept of their rows is of the ledger's position. Empty also where the
/// ledger knows nothing of it, or our role may not look.
[[nodiscard]] std::vector<DualTable> read_dual_tables(postgres::Connection& connection,
                                                      const std::string& migration);

/// Why the application cannot write this table on both sides; empty: it can. Pure.
[[nodiscard]] std::string why_not_dual(const TablePlan& plan);

/// What has to happen so that `wanted` holds. Tables that are not followed are left out. Pure.
struct DualChange {
  std::vector<std::uint32_t> ended;
  std::map<std::uint32_t, DualPolicy> begun, changed;
};
[[nodiscard]] DualChange dual_change(const std::vector<DualTable>& now,
                                     const std::vector<LedgerTable>& tables,
                                     const DualChoice& wanted);

struct DualSettled {
  std::vector<DualTable> tables;
  std::vector<std::string> told;  ///< what began, ended or cannot be, one sentence each
};
/// Begins and ends it, in one transaction, between two batches. `wanted`: nothing leaves it as it
/// is. A table that begins is locked against writers and read once: its rows are what the source
/// has, as long as the guard was closed. After a cutover it is over: the fence lets nobody write
/// there. Throws what the server says; a lock that is not granted within lock_timeout is 55P03.
[[nodiscard]] DualSettled settle_dual_writes(postgres::Connection& connection,
                                             const std::string& migration,
                                             const std::string& schema,
                                             const std::vector<LedgerTable>& tables,
                                             const std::optional<DualChoice>& wanted);

/// In the caller's transaction: the migration goes.
void forget_dual_writes(postgres::Connection& connection, const std::string& migration);

}  // namespace lockstep::apply
