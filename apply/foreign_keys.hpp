// Foreign keys of the tables that lockstep makes. They have the source's actions, and neither these
// nor their checks may act while lockstep follows: a live SQLite allows rows without a parent, and
// what its actions did is captured. So they are there only while our sessions are silent
// (session_replication_role); else they wait in the ledger. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "model/shape.hpp"

namespace lockstep::apply {

struct ForeignKeySql {
  std::string add{};         ///< NOT VALID; empty: PostgreSQL cannot have it
  std::string validate{};    ///< fails where there are orphans
  std::string why{};         ///< then: the reason
  std::string table{};       ///< the child, qualified and quoted
  std::string name{};        ///< of the constraint, not quoted
  std::string definition{};  ///< what stands behind CONSTRAINT and its name
  std::string orphans{};     ///< a query: how many rows have no parent, and the first three as ROW
  std::string shown{};       ///< the columns of these
  std::uint32_t child = 0, parent = 0;  ///< numbers of their plans
};

/// `plans`: all tables that are carried; the parent may be among them or not.
[[nodiscard]] std::vector<ForeignKeySql> foreign_key_sql(const std::string& schema,
                                                         const TablePlan& plan,
                                                         const std::vector<ForeignKey>& keys,
                                                         const std::vector<TablePlan>& plans);

/// Those that can be made between the tables that are lockstep's own.
[[nodiscard]] std::vector<ForeignKeySql> own_foreign_keys(const std::string& schema,
                                                          const std::vector<TablePlan>& plans);

/// Does nothing if it is not there.
[[nodiscard]] std::string drop_sql(const ForeignKeySql& key);

/// What a person is told of those that PostgreSQL cannot have: a sentence each.
[[nodiscard]] std::vector<std::string> foreign_keys_left_out(const TablePlan& plan,
                                                             const std::vector<TablePlan>& plans);

/// How many it can have: they wait where lockstep's sessions cannot be silent.
[[nodiscard]] std::size_t foreign_keys_carried(const TablePlan& plan,
                                               const std::vector<TablePlan>& plans);

}  // namespace lockstep::apply
