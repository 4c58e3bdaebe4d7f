// What cannot go back into SQLite, as status publishes it and people read it. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "ops/gates.hpp"
#include "switchover/going_back.hpp"

namespace lockstep::ops {

/// As member `cannot_go_back` of a status (README.md).
[[nodiscard]] nlohmann::json going_back_json(const std::vector<switchover::CannotGoBack>& all);
/// Of a status as it was published; one of an older lockstep has none.
[[nodiscard]] std::vector<switchover::CannotGoBack> going_back_of(const nlohmann::json& status);

/// `rows`: those that the newest round could not bring back.
[[nodiscard]] Gate rows_gate(const std::vector<switchover::CannotGoBack>& published);
/// `columns`: those that only one side has now; shut. Those of which values stay on PostgreSQL, or
/// stop the way back when they come, are named as well.
[[nodiscard]] Gate columns_gate(const std::vector<switchover::CannotGoBack>& seen);
/// Before a cutover: the same, of the plans. Open; none: there are none.
[[nodiscard]] std::vector<Gate> one_way_gate(const std::vector<switchover::CannotGoBack>& seen);

}  // namespace lockstep::ops
