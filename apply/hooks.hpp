// SQL of the owner's that runs once on the target: after its tables were made, after the copy.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"

namespace lockstep::apply {

struct Hooks {
  std::vector<std::string> after_schema;    ///< the tables are there, empty and without keys
  std::vector<std::string> after_snapshot;  ///< the copy is consistent and has its keys
};

/// Opens a session for one entry and keeps it until the next is asked for. Nothing of lockstep's
/// may run in it afterwards: SET TIME ZONE, SET ROLE or a temporary table of an entry's stay in it.
using HookSession = std::function<postgres::Connection&()>;

/// Runs those statements of hook `name` ("after_schema") that the ledger does not say were run,
/// each in a session and transaction of its own together with its entry in the ledger, without a
/// statement_timeout; names without a schema are those of `schema`. `connection` is only asked what
/// was run. Throws LS-T233 (exit 7) naming hook and number if one fails: nothing of it stays, and
/// the next run tries it again; what `session` throws goes through. An entry of a configuration may
/// hold several statements, and none that begins or ends a transaction.
void run_hooks(postgres::Connection& connection, const std::string& migration,
               const std::string& schema, const std::string& name,
               const std::vector<std::string>& statements, const HookSession& session);

}  // namespace lockstep::apply
