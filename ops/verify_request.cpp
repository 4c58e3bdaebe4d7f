#include "ops/verify_request.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ops/command_line_arguments.hpp"
#include "ops/names.hpp"
#include "ops/printable.hpp"

namespace lockstep::ops {

namespace {

std::string named_tables(std::vector<std::string> names) {
  constexpr std::size_t kShown = 12;
  const std::size_t all = names.size();
  if (all > kShown) names.resize(kShown);
  for (std::string& name : names) name = printable(name);
  return fmt::format("{}{}", fmt::join(names, ", "),
                     all > kShown ? fmt::format(" and {} others", all - kShown) : "");
}

}  // namespace

void require_answerable(const VerifyRequest& request, bool terminal) {
  if (request.repair && !request.yes && !terminal)
    throw_usage("--repair asks before it writes, and nobody is at a terminal to answer",
                "add --yes; or leave --repair out and see first what differs");
}

std::vector<std::string> unmatched(const std::vector<std::string>& globs,
                                   const std::vector<std::string>& names) {
  std::vector<std::string> left;
  for (const std::string& glob : globs)
    if (std::none_of(names.begin(), names.end(),
                     [&](const std::string& name) { return matches_any(name, {glob}); }))
      left.push_back(glob);
  return left;
}

void require_tables(const std::vector<std::string>& globs, const std::vector<TablePlan>& plans) {
  std::vector<std::string> names;
  names.reserve(plans.size());
  for (const TablePlan& plan : plans) names.push_back(plan.name());
  const std::vector<std::string> left = unmatched(globs, names);
  if (left.empty()) return;
  throw Error(
      {.code = "LS-V532",
       .exit = ExitCode::precondition,
       .what = fmt::format("--table: {} matches no table that is followed", named_tables(left)),
       .why = names.empty() ? std::string("no table is followed")
                            : "followed are " + named_tables(names) + ", in this spelling",
       .data = "nothing was compared",
       .todo = "name a table as SQLite has it, or leave --table out"});
}

}  // namespace lockstep::ops
