// Virtual tables: what is told of them, and of tables that may be theirs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "link/sqlite/shape.hpp"

namespace lockstep::ops {

/// Why such a table is not carried. Pure.
[[nodiscard]] std::string skipped_virtual(const std::string& name,
                                          const std::vector<sqlite::TableName>& all);

/// SQLite tells the tables in which a virtual table keeps its data only where it knows the module.
/// Ordinary tables that may be such tables of a module that it does not know, with the virtual
/// table's name.
[[nodiscard]] std::map<std::string, std::string> maybe_shadows(
    sqlite::Database& database, const std::vector<sqlite::TableName>& all);

}  // namespace lockstep::ops
