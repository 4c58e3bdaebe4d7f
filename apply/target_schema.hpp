// DDL for the tables that lockstep makes on PostgreSQL. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apply/checks.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

/// CREATE TABLE with NOT NULL, identity and defaults, without key and indexes: rows that never
/// existed together can meet in the copy. The identity's sequence gets a name that nothing of
/// `plans` has: tables, indexes and sequences share a namespace.
[[nodiscard]] std::string create_table_sql(const std::string& schema, const TablePlan& plan,
                                           const std::vector<TablePlan>& plans = {});

/// The DEFAULT of a column in that; empty: it has none (an identity has not).
[[nodiscard]] std::string default_sql(const TablePlan& plan, std::size_t column);

/// The value of a column that a rule adds, as a literal without a type: it becomes what the column
/// is that it goes into.
[[nodiscard]] std::string untyped_constant_sql(const AddedColumn& column);

/// COMMENT ON for the comments in SQLite's CREATE TABLE, a statement each.
[[nodiscard]] std::vector<std::string> comments_sql(const std::string& schema,
                                                    const TablePlan& plan);

struct IndexStatement {
  std::string name;
  std::string sql;
};

/// What makes a table's keys: first the indexes, in any order and at the same time if one likes;
/// then the constraints, which take the index of their name over and cost nothing.
struct KeyStatements {
  std::vector<IndexStatement> indexes;
  std::vector<std::string> constraints;
  std::vector<CheckSql> checks;  ///< added each on its own: rows may break one
};

/// Why PostgreSQL cannot have the index for the types of its columns; empty: it can. json has no
/// order, and a type that keeps only what a text means would take two spellings for one value. From
/// the start such columns are text; one that is followed keeps its type when an index comes.
[[nodiscard]] std::string type_obstacle(const TablePlan& plan, const Index& index);

/// What the table's SQLite schema says and PostgreSQL does not get, or gets otherwise: a sentence
/// each, with the reason.
[[nodiscard]] std::vector<std::string> left_out(const TablePlan& plan);

/// Primary key, unique constraints, indexes and checks of one table. An index or check that cannot
/// be translated exactly is not among them, but in left_out(). Names are unique over all `plans`,
/// which share a namespace in PostgreSQL: an index called orders_pkey may belong to another table.
[[nodiscard]] KeyStatements key_statements(const std::string& schema, const TablePlan& plan,
                                           const std::vector<TablePlan>& plans);

/// `name` and `tail`, cut to what PostgreSQL takes, never inside of a character.
[[nodiscard]] std::string name_with_tail(const std::string& name, const std::string& tail);

/// Moves the identity sequence to the greatest of sqlite_sequence and the largest key; empty if
/// there is no identity.
[[nodiscard]] std::string sequence_sql(const std::string& schema, const TablePlan& plan);

}  // namespace lockstep::apply
