// What `lockstep verify` may be asked for.
#pragma once

#include <string>
#include <vector>

#include "model/shape.hpp"
#include "ops/commands.hpp"

namespace lockstep::ops {

/// LS-C100 for a repair that could ask nobody. `terminal`: somebody could answer. Pure.
void require_answerable(const VerifyRequest& request, bool terminal);

/// The globs that match none of the names. Pure.
[[nodiscard]] std::vector<std::string> unmatched(const std::vector<std::string>& globs,
                                                 const std::vector<std::string>& names);

/// LS-V532 if one of the globs matches none of `plans`, which are followed: nothing would be
/// compared for it, and that is not equal.
void require_tables(const std::vector<std::string>& globs, const std::vector<TablePlan>& plans);

}  // namespace lockstep::ops
