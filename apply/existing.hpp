// Tables that were on the target before lockstep: what the catalog says of them, what is put out of
// the way while their rows come, and how the copy gets into them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"
#include "model/existing_target.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

/// Every relation of the schema that a table could collide with, by name. One round trip.
[[nodiscard]] std::map<std::string, CatalogTable> read_catalog(postgres::Connection& connection,
                                                               const std::string& schema);

[[nodiscard]] bool has_rows(postgres::Connection& connection, const std::string& schema,
                            const std::string& table);

/// The labels that enum types have by now, in the plans' columns: ALTER TYPE .. ADD VALUE makes
/// more values fit. One round trip for each such column.
void read_labels_anew(postgres::Connection& connection, std::vector<TablePlan>& plans);

/// True if this session may set session_replication_role, which keeps triggers and foreign keys
/// quiet: a superuser, or GRANT SET ON PARAMETER (PostgreSQL 15). Not in a transaction.
[[nodiscard]] bool may_be_silent(postgres::Connection& connection);
/// For the current transaction.
inline constexpr char kBeSilent[] = "SET LOCAL session_replication_role = replica";

/// What is done before the copy, in the caller's transaction: the tables in which its rows wait
/// and, unless `silent`, foreign keys of and into the tables are dropped and kept in
/// lockstep.ledger_foreign_keys.
void make_way(postgres::Connection& connection, const std::string& migration,
              const std::string& schema, const std::vector<TablePlan>& plans, bool silent);

/// The table in which the rows of `plan` wait for the copy to be consistent.
[[nodiscard]] std::string create_copy_sql(const std::string& schema, const TablePlan& plan);

/// Those of `plans` that were there before lockstep, of a session that is not silent: foreign keys
/// that a migration of the application has made since. In the caller's transaction.
void make_way_for_changed(postgres::Connection& connection, const std::string& migration,
                          const std::string& schema, const std::vector<TablePlan>& plans);

/// In the caller's transaction, which makes the copy consistent: from where the rows waited into
/// the tables, whole. Throws LS-T206 if a table that was empty has rows meanwhile.
void fill_existing(postgres::Connection& connection, const std::string& schema,
                   const std::vector<TablePlan>& plans, bool silent);

/// Puts back what make_way() dropped, NOT VALID where rows have no parent, and takes its tables
/// away. In a transaction of its own, repeatable. One sentence for each foreign key that is not as
/// it was.
[[nodiscard]] std::vector<std::string> undo_make_way(postgres::Connection& connection,
                                                     const std::string& migration,
                                                     const std::string& schema);

}  // namespace lockstep::apply
