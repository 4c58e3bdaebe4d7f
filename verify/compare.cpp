#include "verify/compare.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cmath>
#include <compare>
#include <optional>
#include <utility>

#include "link/postgres/copy.hpp"
#include "link/postgres/names.hpp"
#include "link/postgres/numeric.hpp"
#include "link/wire/control.hpp"
#include "model/value.hpp"
#include "verify/json_meaning.hpp"
#include "verify/source_rows.hpp"

namespace lockstep::verify {

namespace {

constexpr std::size_t kExamplesMax = 5;
constexpr std::uint64_t kRowsPerProgress = 4'096;

bool keeps_meaning_only(ColumnType type) {
  return type == ColumnType::boolean || type == ColumnType::date || type == ColumnType::timestamp ||
         type == ColumnType::timestamptz || type == ColumnType::uuid || type == ColumnType::json;
}

// The text of the source as PostgreSQL shows the same: two spellings of one instant become one.
// It shares nothing with what encoded it; what it does not know it leaves, and that differs.
void respell_instant(std::string& text) {
  constexpr std::size_t kMinuteBytes = 16, kSecondBytes = 19;
  if (text.size() < kMinuteBytes) return;
  if (text[10] == 'T') text[10] = ' ';
  for (const std::string_view zone : {"Z", " +00:00", "+00:00", "+00"})
    if (text.size() >= kMinuteBytes + zone.size() && text.ends_with(zone)) {
      text.resize(text.size() - zone.size());
      break;
    }
  if (text.size() == kMinuteBytes) text += ":00";
  if (text.size() <= kSecondBytes || text[kSecondBytes] != '.') return;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
}

void respell_uuid(std::string& text) {
  if (text.size() == 32)
    for (const std::size_t dash : {8U, 13U, 18U, 23U}) text.insert(dash, 1, '-');
  for (char& c : text)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
}

// HH:MM is HH:MM:SS, and zeros at the end of a fraction say nothing.
void respell_time(std::string& text) {
  constexpr std::size_t kMinuteBytes = 5;
  if (text.size() == kMinuteBytes) text += ":00";
  if (text.find('.') == std::string::npos) return;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
}

bool there_is(const TablePlan& plan, std::size_t column, TargetKind kind) {
  return plan.existing && plan.existing->columns[column].holds.kind == kind;
}

void respell(Value& value, const TablePlan& plan, std::size_t column) {
  const ColumnType type = plan.types[column];
  if (value.kind != ValueClass::text) return;
  if (there_is(plan, column, TargetKind::time)) respell_time(value.bytes);
  if (there_is(plan, column, TargetKind::jsonb)) value.bytes = json_meaning(value.bytes);
  if (type == ColumnType::uuid) respell_uuid(value.bytes);
  if (type == ColumnType::timestamp || type == ColumnType::timestamptz)
    respell_instant(value.bytes);
}

std::string target_term(std::string name, ColumnType type) {
  if (type == ColumnType::timestamp_ms)
    return fmt::format("(extract(epoch FROM {}) * 1000)::pg_catalog.int8", name);
  return keeps_meaning_only(type) ? name + "::pg_catalog.text" : name;
}

// A table that was there has types of its own: what they hold comes back in those that it went in.
std::string shown_column(const TablePlan& plan, std::size_t column) {
  std::string shown = postgres::quoted(plan.target_column(column));
  if (plan.existing) shown += fmt::format("::{}", to_string(plan.types[column]));
  return target_term(std::move(shown), plan.types[column]);
}

// "C" orders text byte by byte, as BINARY does. Types that keep only a meaning come as PostgreSQL
// spells them (ISO, UTC).
std::string target_sql(const std::string& schema, const TablePlan& plan) {
  std::vector<std::string> columns, order;
  for (std::size_t i = 0; i < plan.types.size(); ++i) columns.push_back(shown_column(plan, i));
  for (const std::size_t key : plan.shape.key)
    order.push_back(postgres::quoted(plan.target_column(key)) +
                    (there_is(plan, key, TargetKind::time) ? "::text" : "") +
                    (plan.types[key] == ColumnType::text ? " COLLATE \"C\"" : ""));
  return fmt::format("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT (FORMAT binary)",
                     fmt::join(columns, ", "), postgres::qualified(schema, plan.target_name()),
                     fmt::join(order, ", "));
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

Value target_value(const std::optional<std::string_view>& field, ColumnType type) {
  Value value;
  if (!field) return value;
  switch (type) {
    case ColumnType::bigint:
    case ColumnType::timestamp_ms:
      value.kind = ValueClass::integer;
      value.integer = static_cast<std::int64_t>(big_endian(*field));
      break;
    case ColumnType::double_precision:
      value.kind = ValueClass::real;
      value.real = std::bit_cast<double>(big_endian(*field));
      break;
    case ColumnType::text:
      value.kind = ValueClass::text;
      value.bytes = *field;
      break;
    case ColumnType::bytea:
      value.kind = ValueClass::blob;
      value.bytes = *field;
      break;
    case ColumnType::numeric:
      return postgres::decode_numeric(*field);
    case ColumnType::boolean:
      value.kind = ValueClass::integer;
      value.integer = *field == "true" ? 1 : 0;
      break;
    case ColumnType::timestamptz:
      value.kind = ValueClass::text;
      value.bytes = field->ends_with("+00") ? field->substr(0, field->size() - 3) : *field;
      break;
    case ColumnType::date:
    case ColumnType::timestamp:
    case ColumnType::uuid:
    case ColumnType::json:
      value.kind = ValueClass::text;
      value.bytes = *field;
      break;
  }
  return value;
}

std::weak_ordering order_of(const Value& a, const Value& b) {
  if (a.kind != b.kind) return a.kind <=> b.kind;
  switch (a.kind) {
    case ValueClass::null:
      return std::weak_ordering::equivalent;
    case ValueClass::integer:
      return a.integer <=> b.integer;
    case ValueClass::real:
      return a.real < b.real   ? std::weak_ordering::less
             : a.real > b.real ? std::weak_ordering::greater
                               : std::weak_ordering::equivalent;
    case ValueClass::text:
    case ValueClass::blob:
      // char_traits<char> compares as unsigned bytes.
      return a.bytes.compare(b.bytes) <=> 0;
  }
  return std::weak_ordering::equivalent;
}

using Row = std::vector<Value>;

class Comparer {
 public:
  Comparer(const TablePlan& plan, Comparison& result) : plan_(plan), result_(result) {}

  [[nodiscard]] std::weak_ordering keys(const Row& a, const Row& b) const {
    for (const std::size_t key : plan_.shape.key)
      if (const auto order = order_of(a[key], b[key]); order != 0) return order;
    return std::weak_ordering::equivalent;
  }

  void values(const Row& source, const Row& target) {
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (same_value(source[i].view(), target[i].view())) continue;
      ++result_.differ;
      example(fmt::format("{}: {} is {} on the source and {} on the target", key_of(source),
                          plan_.shape.columns[i].name, describe(source[i].view()),
                          describe(target[i].view())));
      return;
    }
  }

  void missing(const Row& source) {
    ++result_.missing;
    example(key_of(source) + ": on the source only");
  }
  void not_there(const std::string& key) {
    ++result_.differ;
    example(key + ": in quarantine, but not on the source");
  }
  void extra(const Row& target) {
    ++result_.extra;
    example(key_of(target) + ": on the target only");
  }

 private:
  [[nodiscard]] std::string key_of(const Row& row) const {
    std::vector<std::string> parts;
    for (const std::size_t key : plan_.shape.key)
      parts.push_back(
          fmt::format("{}={}", plan_.shape.columns[key].name, describe(row[key].view())));
    return fmt::format("{}", fmt::join(parts, ", "));
  }
  void example(std::string text) {
    if (result_.examples.size() < kExamplesMax) result_.examples.push_back(std::move(text));
  }

  const TablePlan& plan_;
  Comparison& result_;
};

// As the quarantine has it: -0.0 and 0.0 are one key.
std::string key_text(const TablePlan& plan, const Row& row) {
  std::vector<Value> key;
  for (const std::size_t column : plan.shape.key) {
    key.push_back(row[column]);
    if (key.back().kind == ValueClass::real && std::abs(key.back().real) <= 0) key.back().real = 0;
  }
  return wire::encode_key(key);
}

}  // namespace

Comparison compare_table(sqlite::Database& source, postgres::Connection& target,
                         const std::string& schema, const TablePlan& plan,
                         const std::function<void(std::uint64_t)>& progress,
                         QuarantinedKeys quarantined) {
  Comparison result;
  result.table = plan.name();
  Comparer comparer(plan, result);
  SourceRows source_rows(source, plan);
  postgres::CopyOut target_rows(target, target_sql(schema, plan));
  std::vector<std::optional<std::string_view>> fields;
  Row left(plan.types.size()), right(plan.types.size());

  const auto next_source = [&] {
    do {
      if (!source_rows.next(left)) return false;
      if (++result.source_rows % kRowsPerProgress == 0) progress(result.source_rows);
    } while (!quarantined.empty() && quarantined.erase(key_text(plan, left)) > 0 &&
             ++result.quarantined > 0);
    for (std::size_t i = 0; i < left.size(); ++i) respell(left[i], plan, i);
    return true;
  };
  const auto next_target = [&] {
    if (!target_rows.next(fields)) return false;
    check(fields.size() == right.size(), "the server sends the columns that were asked for");
    for (std::size_t i = 0; i < right.size(); ++i) {
      right[i] = target_value(fields[i], plan.types[i]);
      if (there_is(plan, i, TargetKind::jsonb) && right[i].kind == ValueClass::text)
        right[i].bytes = json_meaning(right[i].bytes);
    }
    ++result.target_rows;
    return true;
  };

  bool on_source = next_source(), on_target = next_target();
  while (on_source || on_target) {
    const auto order = !on_target   ? std::weak_ordering::less
                       : !on_source ? std::weak_ordering::greater
                                    : comparer.keys(left, right);
    if (order < 0) {
      comparer.missing(left);
    } else if (order > 0) {
      comparer.extra(right);
    } else {
      comparer.values(left, right);
    }
    if (order <= 0) on_source = next_source();
    if (order >= 0) on_target = next_target();
  }
  for (const std::string& key : quarantined) comparer.not_there(key);
  return result;
}

}  // namespace lockstep::verify
