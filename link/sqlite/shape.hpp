// Reads tables, columns, keys and indexes into TableShape.
#pragma once

#include <optional>
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

/// Call inside a read transaction if other reads must agree with it. The key of a table without
/// primary key is a unique index of INTEGER and TEXT columns that are NOT NULL, if it has one; else
/// it gets its rowid as last column and key (Column::is_rowid), unless its columns take every name
/// of it. `followed`: the key is what it was there, if the table still has that: an index that
/// comes later, or that an older lockstep did not look for, is no new key.
[[nodiscard]] TableShape read_shape(Database& database, const std::string& table,
                                    const TableShape* followed = nullptr);

/// The same table by its rowid, though an index could be the key; nothing if it cannot be.
[[nodiscard]] std::optional<TableShape> by_rowid(const TableShape& shape);

/// How SQL on the SQLite side spells a column: its name in quotes, or the rowid's name. Pure.
[[nodiscard]] std::string source_name(const TableShape& shape, std::size_t column);

/// In the order of their declaration.
[[nodiscard]] std::vector<ForeignKey> read_foreign_keys(Database& database,
                                                        const TableShape& shape);

/// sqlite_sequence's number for an AUTOINCREMENT table; 0 if none.
[[nodiscard]] std::int64_t read_sequence(Database& database, const std::string& table);

}  // namespace lockstep::sqlite
