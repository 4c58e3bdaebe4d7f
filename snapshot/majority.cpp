#include "snapshot/majority.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace lockstep::snapshot {

namespace {

using Classes = std::vector<ValueClass>;

std::uint64_t count_of(const ColumnCensus& census, const Classes& classes) {
  std::uint64_t count = 0;
  for (const ValueClass kind : classes) count += census.count[static_cast<std::size_t>(kind)];
  return count;
}

// Those that one type can hold, the declared one first.
std::vector<Classes> groups_of(const Column& column, const ColumnCensus& census, ColumnUse use) {
  std::vector<Classes> groups{
      {ValueClass::integer}, {ValueClass::real}, {ValueClass::text}, {ValueClass::blob}};
  if (column.affinity == Affinity::numeric && use == ColumnUse::plain && census.whole_reals == 0)
    groups.insert(groups.begin(), {ValueClass::integer, ValueClass::real});
  ValueClass declared = ValueClass::text;
  const ColumnType type = default_type(column, use);
  if (type == ColumnType::bigint) declared = ValueClass::integer;
  if (type == ColumnType::double_precision || type == ColumnType::numeric)
    declared = ValueClass::real;
  if (type == ColumnType::bytea) declared = ValueClass::blob;
  std::stable_partition(groups.begin(), groups.end(), [&](const Classes& group) {
    return std::find(group.begin(), group.end(), declared) != group.end();
  });
  return groups;
}

}  // namespace

std::optional<Majority> majority_type(const Column& column, const ColumnCensus& census,
                                      ColumnUse use) {
  const std::vector<Classes> groups = groups_of(column, census, use);
  const Classes& most =
      *std::max_element(groups.begin(), groups.end(), [&](const Classes& a, const Classes& b) {
        return count_of(census, a) < count_of(census, b);
      });
  ColumnCensus kept = census;
  Majority majority;
  for (const ValueClass kind :
       {ValueClass::integer, ValueClass::real, ValueClass::text, ValueClass::blob}) {
    const auto slot = static_cast<std::size_t>(kind);
    if (std::find(most.begin(), most.end(), kind) != most.end()) continue;
    majority.odd += std::exchange(kept.count[slot], 0);
    if (majority.example.empty()) majority.example = census.example[slot];
  }
  if (std::find(most.begin(), most.end(), ValueClass::text) != most.end()) {
    majority.odd += census.nul_texts + census.invalid_texts;
    if (majority.example.empty()) majority.example = census.bad_text_example;
  }
  kept.nul_texts = 0;
  kept.invalid_texts = 0;
  std::string why;
  const auto type = decide_type(column, kept, use, why);
  if (!type || majority.odd == 0) return std::nullopt;
  majority.type = *type;
  return majority;
}

}  // namespace lockstep::snapshot
