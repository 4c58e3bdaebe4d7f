// What the newest word about each table comes to. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "model/clock.hpp"
#include "model/shape.hpp"
#include "verify/record.hpp"

namespace lockstep::ops {

/// Findings of the configuration that somebody answers for, and the day (YYYY-MM-DD in UTC) on
/// which it is asked whether they still do.
struct Waivers {
  std::vector<config::Waiver> given{};
  std::string today{};
};

struct Proven {
  bool clean = false;  ///< every table was equal when it was compared last, at most `max_age` ago,
                       ///< or what differed is waived
  std::string found;   ///< for people; names what is waived, by whom and until when
  bool different = false;  ///< and nobody answers for it
};
/// Those of `now`, and of `before` the tables of which `now` has no word.
[[nodiscard]] std::vector<verify::TableResult> joined(
    std::vector<verify::TableResult> now, const std::vector<verify::TableResult>& before);
/// Comparisons on the way back leave out what PostgreSQL only holds (verify/back_plan), and the
/// application reads that there after the next cutover: so of tables with such columns they prove
/// nothing for it. What they have found to differ stays.
[[nodiscard]] std::vector<verify::TableResult> without_partial(
    std::vector<verify::TableResult> back, const std::vector<TablePlan>& followed);
/// A comparison of some tables says nothing of the others, and takes nothing back of what is known
/// of them. `results` as table_results() has them; `never_text` is said of those without.
/// `altered`: what became of tables on PostgreSQL since they were compared, by id; of these nothing
/// is proven.
[[nodiscard]] Proven proven(const std::vector<verify::TableResult>& results,
                            const std::vector<TablePlan>& followed, Milliseconds max_age,
                            const Waivers& waivers = {},
                            const std::string& never_text = "never compared",
                            const std::map<std::uint32_t, std::string>& altered = {});

/// Of the tables that were compared.
struct StillDifferent {
  std::int64_t rows = 0;     ///< that nobody answers for
  std::string not_waived{};  ///< why waivers of these do not count, each in brackets
  std::string waived{};      ///< for people; empty: nothing is
};
[[nodiscard]] StillDifferent still_different(const std::vector<verify::TableResult>& results,
                                             const std::vector<TablePlan>& followed,
                                             const Waivers& waivers);

}  // namespace lockstep::ops
