// Foreign keys as PostgreSQL spells them. They are not made while lockstep follows: their actions
// would change rows by themselves, and their checks refuse what a live SQLite allows. Pure.
#pragma once

#include <string>
#include <vector>

#include "link/sqlite/shape.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

struct ForeignKeySql {
  std::string add{};       ///< NOT VALID; empty: PostgreSQL cannot have it
  std::string validate{};  ///< fails where there are orphans
  std::string why{};       ///< then: the reason
};

/// `plans`: all tables that are carried; the parent may be among them or not.
[[nodiscard]] std::vector<ForeignKeySql> foreign_key_sql(
    const std::string& schema, const TablePlan& plan, const std::vector<sqlite::ForeignKey>& keys,
    const std::vector<TablePlan>& plans);

}  // namespace lockstep::apply
