// Tables that left the migration between two cutovers (dropped or renamed in SQLite) and are on
// PostgreSQL still, with what the first cutover gave them.
#pragma once

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

}  // namespace lockstep::switchover
