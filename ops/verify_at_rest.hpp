// `lockstep verify` without a lockstep that follows: both sides in one transaction each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apply/ledger.hpp"
#include "capture/install.hpp"
#include "link/postgres/connection.hpp"
#include "link/sqlite/database.hpp"
#include "model/position.hpp"
#include "ops/commands.hpp"
#include "ops/screen.hpp"
#include "ops/verify_report.hpp"

namespace lockstep::ops {

/// The migration's ledger. Throws LS-R712 if the target knows none, or it is only being installed.
[[nodiscard]] apply::LedgerRow ledger_of(postgres::Connection& target,
                                         const std::string& migration);
/// Its tables, with the marks of personal data as the source has them: the last start made them.
[[nodiscard]] std::vector<apply::LedgerTable> marked_tables(postgres::Connection& target,
                                                            const capture::Installed& installed);

/// As a comparison after a cutover goes by them: verify/back_plan.hpp.
[[nodiscard]] std::vector<apply::LedgerTable> comparable_back(
    std::vector<apply::LedgerTable> tables);

/// Once the target is at the source's newest change; LS-V502 if it does not come to that, or if the
/// source moves meanwhile.
[[nodiscard]] ExitCode verify_at_rest(sqlite::Database& source, postgres::Connection& target,
                                      const capture::Installed& installed,
                                      const VerifyRequest& request, const Compared& compared,
                                      Screen& screen);
/// After a cutover: at a round of the way back, which it makes itself. Whoever writes to PostgreSQL
/// goes on. Throws what a round throws.
[[nodiscard]] ExitCode verify_at_round(sqlite::Database& sqlite, postgres::Connection& postgres,
                                       const capture::Installed& installed,
                                       const VerifyRequest& request, const Compared& compared,
                                       Screen& screen);

/// LS-V502
[[noreturn]] void throw_not_at_rest(const Position& source, const std::optional<Position>& target);

}  // namespace lockstep::ops
