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
  bool different = false;
};
/// Those of `now`, and of `before` the tables of which `now` has no word.
[[nodiscard]] std::vector<verify::TableResult> joined(
    std::vector<verify::TableResult> now, const std::vector<verify::TableResult>& before);
/// A comparison of some tables says nothing of the others, and takes nothing back of what is known
/// of them. `results` as table_results() has them; `never_text` is said of those without.
[[nodiscard]] Proven proven(const std::vector<verify::TableResult>& results,
                            const std::vector<TablePlan>& followed, Milliseconds max_age,
                            const std::string& never_text = "never compared");

}  // namespace lockstep::ops
