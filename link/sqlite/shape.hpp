// Reads tables, columns, keys and indexes into TableShape.
#pragma once

#include <string>
#include <vector>

#include "link/sqlite/database.hpp"
#include "model/shape.hpp"

namespace lockstep::sqlite {

enum class TableKind { ordinary, virtual_table, shadow };

struct TableName {
  std::string name;
  TableKind kind = TableKind::ordinary;
};

/// The application's tables in name order: no sqlite_*, none of ours (own_objects), no views.
[[nodiscard]] std::vector<TableName> list_tables(Database& database);

/// Call inside a read transaction if other reads must agree with it. A table without a key gets its
/// rowid as last column and key (Column::is_rowid), unless its columns take every name of it.
[[nodiscard]] TableShape read_shape(Database& database, const std::string& table);

/// How SQL on the SQLite side spells a column: its name in quotes, or the rowid's name. Pure.
[[nodiscard]] std::string source_name(const TableShape& shape, std::size_t column);

/// In the order of their declaration.
[[nodiscard]] std::vector<ForeignKey> read_foreign_keys(Database& database,
                                                        const TableShape& shape);

/// sqlite_sequence's number for an AUTOINCREMENT table; 0 if none.
[[nodiscard]] std::int64_t read_sequence(Database& database, const std::string& table);

}  // namespace lockstep::sqlite
