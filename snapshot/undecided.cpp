#include "snapshot/undecided.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <string>

#include "model/error.hpp"
#include "model/promise.hpp"
#include "snapshot/distinction.hpp"

namespace lockstep::snapshot {

namespace {

struct Seen {
  std::set<ColumnType> types;
  std::uint64_t spellings = 0;
};

std::string spoken(const Column& column) {
  std::string name = column.declared_type;
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

}  // namespace

void settle_undecided(std::vector<TablePlan>& plans,
                      const std::vector<std::vector<std::size_t>>& undecided) {
  check(plans.size() == undecided.size(), "each plan says which of its columns are undecided");
  std::map<std::string, Seen> seen;
  for (std::size_t i = 0; i < plans.size(); ++i)
    for (std::size_t column = 0; column < plans[i].types.size(); ++column) {
      const Column& declared = plans[i].shape.columns[column];
      if (promise_of(declared) == Promise::none ||
          std::count(undecided[i].begin(), undecided[i].end(), column) > 0)
        continue;
      Seen& found = seen[spoken(declared)];
      found.types.insert(plans[i].types[column]);
      found.spellings |= plans[i].spelling(column).found;
    }
  for (std::size_t i = 0; i < plans.size(); ++i)
    for (const std::size_t column : undecided[i]) {
      const Column& declared = plans[i].shape.columns[column];
      const auto found = seen.find(spoken(declared));
      if (found == seen.end() || found->second.types.size() != 1) continue;
      if (plans[i].existing) {  // what is there decides all but how the application counts
        if (*found->second.types.begin() != ColumnType::timestamp_ms) continue;
        plans[i].types[column] = ColumnType::timestamp_ms;
        plans[i].spellings[column] = {};
        continue;
      }
      // Elsewhere an empty fraction may be written: here nobody looked for one.
      const bool milliseconds = *found->second.types.begin() == ColumnType::timestamp_ms;
      const PromiseCensus borrowed{.kept = 1,
                                   .spellings = found->second.spellings,
                                   .milliseconds = milliseconds ? 1U : 0U,
                                   .empty_fractions = 1};
      const Usable usable = usable_type(declared, borrowed, distinction_of(plans[i].shape, column));
      if (usable.type != *found->second.types.begin()) continue;
      plans[i].types[column] = *usable.type;
      plans[i].spellings[column] = usable.spelling;
    }
}

}  // namespace lockstep::snapshot
