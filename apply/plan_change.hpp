// From the plans that the ledger has to those that the source has now: what that is on the target.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "apply/checks.hpp"
#include "apply/foreign_keys.hpp"
#include "apply/freed_names.hpp"
#include "apply/ledger.hpp"
#include "link/postgres/connection.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

/// A column of lockstep's own tables that becomes text. Its rows come anew with the same batch.
struct TextColumn {
  std::string table;        ///< qualified
  std::string column;       ///< as it is called there
  std::string default_sql;  ///< as text; empty: none
};

/// CHECKs of lockstep's own tables.
struct CheckChange {
  std::string name;   ///< of the table, for people
  std::string table;  ///< qualified
  std::vector<CheckSql> gone, come;
};

/// An index that is there under another name now.
struct RenamedIndex {
  std::string schema, from, to;
};

/// The source follows its own schema first; the target learns of it by the plans in the welcome.
struct PlanChange {
  std::vector<std::string> before;       ///< DDL that the rows of the batch need
  std::vector<RenamedIndex> renamed{};   ///< likewise, around `before`: names may change places
  std::vector<TextColumn> to_text{};     ///< likewise
  std::vector<std::string> after;        ///< DDL that needs these rows
  std::vector<CheckChange> checks{};     ///< dropped before these rows, added after them
  std::vector<TablePlan> plans;          ///< changed, for the ledger
  std::vector<TablePlan> added;          ///< new in the ledger
  std::vector<ForeignKeySql> unmade;     ///< foreign keys of before that are dropped before
  std::vector<ForeignKeySql> wanted;     ///< those that wait in the ledger behind it
  std::vector<std::uint32_t> forgotten;  ///< no longer followed: their tables stay as they are
  std::vector<FreedName> freed{};        ///< but for the names that others may want
  std::set<std::string> names{};         ///< which these have, if there is any in `freed`
  bool keyed = true;                     ///< keys and indexes are there, or come later

  [[nodiscard]] bool empty() const { return plans.empty() && added.empty() && forgotten.empty(); }
};

/// `keyed`: the copied tables have their keys, so new ones get theirs at once. Pure. An empty `now`
/// says nothing at all: no change.
[[nodiscard]] PlanChange plan_change(const std::string& schema,
                                     const std::vector<LedgerTable>& before,
                                     const std::vector<TablePlan>& now, bool keyed);

/// In the caller's transaction: before its rows, and after them (with the ledger's plans). `told`
/// gets the CHECKs that had to go (the column is text now) or could not be made, and freed names.
[[nodiscard]] std::vector<Told> begin_plan_change(postgres::Connection& connection,
                                                  const PlanChange& change);
void end_plan_change(postgres::Connection& connection, const std::string& migration,
                     const PlanChange& change, std::vector<Told>& told);
/// Both in a transaction of its own, while the ledger does not say `consistent` yet: the batch that
/// makes it so reads these tables anew.
void change_plans(postgres::Connection& connection, const std::string& migration,
                  const std::string& schema, const PlanChange& change, bool silent);

}  // namespace lockstep::apply
