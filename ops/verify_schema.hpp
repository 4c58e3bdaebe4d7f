// What a comparison of the followed tables says nothing of: tables and columns of the source that
// the plans do not have.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "capture/install.hpp"
#include "link/sqlite/database.hpp"
#include "ops/check_finding.hpp"

namespace lockstep::ops {

/// Tables of the source that nobody follows, virtual ones as well; in name order.
[[nodiscard]] std::vector<std::string> left_out(sqlite::Database& source,
                                                const capture::Installed& installed);

struct SchemaNow {
  std::vector<CheckFinding> findings;    ///< LS-V533, of tables that `globs` mean (none: all)
  std::set<std::string> not_comparable;  ///< tables whose columns are no longer those of the plan
};
/// Whether the source's schema is still the one that the target has. In the caller's transaction.
[[nodiscard]] SchemaNow look_at_schema_now(sqlite::Database& source,
                                           const capture::Installed& installed,
                                           const std::vector<std::string>& globs);

}  // namespace lockstep::ops
