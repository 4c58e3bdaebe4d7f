// The comparison that is owed before a cutover: what was compared before does not count.
#pragma once

#include <cstdint>
#include <string>

#include "link/postgres/connection.hpp"

namespace lockstep::apply {

// Kept in lockstep.ledger, owed_pass and owed_behind: ensure_switch_ledger() first.

/// owed_behind of who has yet to look which transactions are under way, and may have died before.
inline constexpr char kNobodyLooked[] = "{?}";

struct Owed {
  std::int64_t first_pass = 0;  ///< of verify that counts; 0: every one
  bool waits = false;           ///< none counts yet: transactions of that time have not ended
};
/// Reads only. For the gates of a cutover.
[[nodiscard]] Owed owed_comparison(postgres::Connection& connection, const std::string& migration);

/// Capture may have missed something: passes that have begun by now count no more. Outside a
/// transaction, like the next two.
void owe_comparison(postgres::Connection& connection, const std::string& migration);
/// Others could write here until now: nor do those that begin before each transaction of this
/// moment has ended. Waits for these for a second; settle_owed() does the rest.
void owe_behind_transactions(postgres::Connection& connection, const std::string& migration);
/// If those transactions have ended, passes count from here on. Cheap: for whoever follows, over
/// and over. True: nobody is waited for.
bool settle_owed(postgres::Connection& connection, const std::string& migration);

}  // namespace lockstep::apply
