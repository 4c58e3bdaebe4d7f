#include "model/type_map.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace lockstep {

namespace {

ColumnType type_of(ValueClass kind) {
  switch (kind) {
    case ValueClass::integer:
      return ColumnType::bigint;
    case ValueClass::real:
      return ColumnType::double_precision;
    case ValueClass::text:
      return ColumnType::text;
    case ValueClass::blob:
    case ValueClass::null:
      return ColumnType::bytea;
  }
  return ColumnType::bytea;
}

}  // namespace

ColumnType default_type(const Column& column) {
  switch (column.affinity) {
    case Affinity::integer:
      return ColumnType::bigint;
    case Affinity::real:
      return ColumnType::double_precision;
    case Affinity::text:
      return ColumnType::text;
    case Affinity::blob:
      return column.declared_type.empty() ? ColumnType::text : ColumnType::bytea;
    case Affinity::numeric:
      break;
  }
  std::string upper = column.declared_type;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto says = [&](std::string_view word) { return upper.find(word) != std::string::npos; };
  if (says("BOOL")) return ColumnType::bigint;
  if (says("DEC") || says("NUM") || says("MONEY")) return ColumnType::double_precision;
  return ColumnType::text;  // dates, times, uuid, json
}

std::optional<ColumnType> decide_type(const Column& column, const ColumnCensus& census,
                                      std::string& why) {
  std::vector<std::string> found;
  std::optional<ValueClass> only;
  for (const ValueClass kind :
       {ValueClass::integer, ValueClass::real, ValueClass::text, ValueClass::blob}) {
    const auto slot = static_cast<std::size_t>(kind);
    if (census.count[slot] == 0) continue;
    only = kind;
    found.push_back(
        fmt::format("{} {} ({})", census.count[slot], to_string(kind), census.example[slot]));
  }
  if (found.size() > 1) {
    why = fmt::format("column {} mixes storage classes: {}", column.name, fmt::join(found, ", "));
    return std::nullopt;
  }
  if (census.nul_texts > 0) {
    why =
        fmt::format("column {} has {} text(s) with U+0000, which PostgreSQL text cannot hold ({})",
                    column.name, census.nul_texts, census.bad_text_example);
    return std::nullopt;
  }
  if (census.invalid_texts > 0) {
    why = fmt::format("column {} has {} text(s) that are not valid UTF-8 ({})", column.name,
                      census.invalid_texts, census.bad_text_example);
    return std::nullopt;
  }
  return only ? type_of(*only) : default_type(column);
}

}  // namespace lockstep
