// What an earlier cutover has left on PostgreSQL: triggers and log of tables that left the
// migration since (dropped or renamed in SQLite), and what is logged while nobody reads it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"

namespace lockstep::switchover {

/// Takes log and fence off tables and partitions whose number the ledger no longer has, their
/// functions, and what they have logged: they are their owner's alone. Returns those that could not
/// be done now (locked, or our role may not); what these log is of no table, and no round takes it.
/// Cheap where there is nothing to do; no statement of others waits for longer than 200 ms. Outside
/// a transaction.
std::vector<std::string> release_left_tables(postgres::Connection& connection,
                                             const std::string& migration,
                                             const std::string& schema);

/// Only what they have logged; nothing if there is no log.
void forget_left_changes(postgres::Connection& connection, const std::string& migration);

/// While the application writes to SQLite and no cutover has begun: takes out what others' writes
/// to PostgreSQL (dual ones, a migration's) have logged, as nothing is logged before the first
/// cutover either. At most `rows_max` of it; returns how many. Nothing once an attempt is pending:
/// what is logged from there on has to go back.
std::int64_t forget_idle_changes(postgres::Connection& connection, const std::string& migration,
                                 std::int64_t rows_max);

}  // namespace lockstep::switchover
