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

bool says(std::string_view declared_type, std::string_view word) {
  const auto same = [](unsigned char a, unsigned char b) { return std::toupper(a) == b; };
  return std::search(declared_type.begin(), declared_type.end(), word.begin(), word.end(), same) !=
         declared_type.end();
}

// Not every NUM: an ENUM holds texts.
bool promises_decimals(std::string_view declared_type) {
  for (const std::string_view word : {"DECIMAL", "NUMERIC", "NUMBER", "MONEY", "CURRENCY"})
    if (says(declared_type, word)) return true;
  for (const std::string_view word : {"DEC", "NUM"})
    if (says(declared_type.substr(0, word.size()), word)) return true;
  return false;
}

bool is_numeric(const Column& column, const ColumnCensus& census, ColumnUse use) {
  const auto holds = [&](ValueClass kind) {
    return census.count[static_cast<std::size_t>(kind)] > 0;
  };
  if (column.affinity != Affinity::numeric || use == ColumnUse::key) return false;
  if (holds(ValueClass::text) || holds(ValueClass::blob) || census.whole_reals > 0) return false;
  if (holds(ValueClass::integer) && holds(ValueClass::real)) return true;
  return promises_decimals(column.declared_type);
}

}  // namespace

ColumnType default_type(const Column& column, ColumnUse use) {
  switch (column.affinity) {
    case Affinity::integer:
      return ColumnType::bigint;
    case Affinity::real:
      return ColumnType::double_precision;
    case Affinity::text:
      return ColumnType::text;
    case Affinity::blob:
      // Neither empty nor BLOB: ANY of a STRICT table.
      return says(column.declared_type, "BLOB") ? ColumnType::bytea : ColumnType::text;
    case Affinity::numeric:
      break;
  }
  if (promises_decimals(column.declared_type))
    return use == ColumnUse::key ? ColumnType::double_precision : ColumnType::numeric;
  if (says(column.declared_type, "BOOL")) return ColumnType::bigint;
  return ColumnType::text;  // dates, times, uuid, json
}

std::optional<ColumnType> decide_type(const Column& column, const ColumnCensus& census,
                                      ColumnUse use, std::string& why) {
  if (is_numeric(column, census, use)) return ColumnType::numeric;
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
    if (census.whole_reals > 0)
      why += fmt::format("; {} of the reals equal(s) an integer ({})", census.whole_reals,
                         census.whole_real_example);
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
  return only ? type_of(*only) : default_type(column, use);
}

}  // namespace lockstep
