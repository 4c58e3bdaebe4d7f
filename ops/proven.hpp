// What the newest word about each table comes to. Pure.
#pragma once

#include <string>
#include <vector>

#include "model/clock.hpp"
#include "model/shape.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

struct Proven {
  bool clean = false;  ///< every table was equal when it was compared last, at most `max_age` ago
  std::string found;   ///< for people
};
/// A comparison of some tables says nothing of the others, and takes nothing back of what is known
/// of them. `results` as table_results() has them.
[[nodiscard]] Proven proven(const std::vector<verify::TableResult>& results,
                            const std::vector<TablePlan>& followed, Milliseconds max_age);

}  // namespace lockstep::ops
