// The foreign keys of lockstep's own tables on the target: those that wait, and those that are
// there.
#pragma once

#include <string>
#include <vector>

#include "apply/foreign_keys.hpp"
#include "link/postgres/connection.hpp"

namespace lockstep::apply {

/// lockstep.ledger_foreign_keys: those that wait.
void ensure_foreign_key_ledger(postgres::Connection& connection);
/// In the caller's transaction, if there is one. What waits already stays.
void enter_foreign_keys(postgres::Connection& connection, const std::string& migration,
                        const std::vector<ForeignKeySql>& keys);
/// Takes them out of the ledger: nobody waits for them any more.
void forget_foreign_keys(postgres::Connection& connection, const std::string& migration,
                         const std::vector<ForeignKeySql>& keys);

/// Makes those of `keys` that wait, each in a transaction of its own: valid, or NOT VALID where
/// rows have no parent. A killed one is repeated by the next call. One sentence for each that is
/// not valid, or that the server refused. Not in a transaction.
[[nodiscard]] std::vector<std::string> make_foreign_keys(postgres::Connection& connection,
                                                         const std::string& migration,
                                                         const std::vector<ForeignKeySql>& keys);

/// The session is not silent (any more): those of `keys` that are there are dropped, and wait. One
/// transaction. Returns how many.
std::size_t set_foreign_keys_aside(postgres::Connection& connection, const std::string& migration,
                                   const std::string& schema,
                                   const std::vector<ForeignKeySql>& keys);

/// What of `keys` is not there as it should be: waiting, missing, or NOT VALID; a sentence each.
[[nodiscard]] std::vector<std::string> foreign_keys_differ(postgres::Connection& connection,
                                                           const std::string& migration,
                                                           const std::string& schema,
                                                           const std::vector<ForeignKeySql>& keys);

}  // namespace lockstep::apply
