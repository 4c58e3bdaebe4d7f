#include "link/postgres/decode.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "link/postgres/encode.hpp"
#include "link/postgres/names.hpp"
#include "link/postgres/numeric.hpp"
#include "link/postgres/spell.hpp"
#include "link/postgres/units.hpp"
#include "model/big_endian.hpp"
#include "model/spelling.hpp"

namespace lockstep::postgres {

namespace {

constexpr std::string_view kMalformed = "its bytes are none of the column's type",
                           kNoNumber = "a number that SQLite cannot hold exactly",
                           kNoFloat = "NaN, which SQLite turns into NULL",
                           kNoSpelling =
                               "no spelling that the column's values had holds it, and the column "
                               "is unique: another one could not be told from it later",
                           kConverted =
                               "SQLite would store it otherwise: the column's affinity "
                               "converts it",
                           kNoRuleBack =
                               "the column's rule in the configuration has no way back "
                               "for it",
                           kNoHour = "24:00:00, which is no time in SQLite",
                           kNotMilliseconds = "it has microseconds, and SQLite counts milliseconds";
constexpr std::int64_t kMillisecondsTo2000 = 946'684'800'000;

template <class Number>
std::optional<Number> big_endian(std::string_view bytes) {
  if (bytes.size() != sizeof(Number)) return std::nullopt;
  return load_big_endian<Number>(bytes.data());
}

void set(Value& out, std::int64_t integer) {
  out.kind = ValueClass::integer;
  out.integer = integer;
}
void set(Value& out, double real) {
  out.kind = ValueClass::real;
  out.real = real;
}
void set(Value& out, ValueClass kind, std::string_view bytes) {
  out.kind = kind;
  out.bytes.assign(bytes);
}

bool is_there(const TablePlan& plan, std::size_t column, TargetKind kind) {
  return plan.existing && plan.existing->columns[column].holds.kind == kind;
}

/// An interval of days and time in microseconds.
std::string_view read_interval(std::int64_t& microseconds, std::string_view field) {
  constexpr std::int64_t kDay = 86'400'000'000;
  constexpr std::size_t kBytes = 16, kDays = 8, kMonths = 12;
  if (field.size() != kBytes) return kMalformed;
  if (load_big_endian<std::int32_t>(field.data() + kMonths) != 0)
    return "months, which have no length in microseconds";
  std::int64_t days = load_big_endian<std::int32_t>(field.data() + kDays);
  microseconds = load_big_endian<std::int64_t>(field.data());
  const bool fits = !__builtin_mul_overflow(days, kDay, &days) &&
                    !__builtin_add_overflow(days, microseconds, &microseconds);
  return fits ? std::string_view() : "more microseconds than 64 bits hold";
}

/// Python and with it the ORMs write six digits of a second, or none.
std::string_view read_time(std::string& text) {
  if (text.starts_with("24")) return kNoHour;
  if (const std::size_t point = text.find('.'); point != std::string::npos)
    text.resize(point + 7, '0');
  return {};
}

std::string_view read_instant(Value& out, std::int64_t microseconds, ColumnType type,
                              const ColumnSpelling& spelling) {
  out.kind = ValueClass::text;
  if (!spell_instant(out.bytes, microseconds, type, spelling))
    return microseconds == std::numeric_limits<std::int64_t>::max() ||
                   microseconds == std::numeric_limits<std::int64_t>::min()
               ? "infinity, or months of an interval, for which SQLite has no date"
               : "a year outside of 1 to 9999";
  return admits(spelling, type, out.bytes) ? std::string_view() : kNoSpelling;
}

/// The value as it is carried, before the rules are taken back.
std::string_view read_field(Value& out, std::string_view field, const TablePlan& plan,
                            std::size_t column) {
  const ColumnType type = plan.types[column];
  switch (type) {
    case ColumnType::bigint: {
      if (is_there(plan, column, TargetKind::interval)) {
        out.kind = ValueClass::integer;
        return read_interval(out.integer, field);
      }
      const auto number = big_endian<std::int64_t>(field);
      set(out, number.value_or(0));
      return number ? std::string_view() : kMalformed;
    }
    case ColumnType::double_precision: {
      const auto bits = big_endian<std::uint64_t>(field);
      set(out, std::bit_cast<double>(bits.value_or(0)));
      if (!bits) return kMalformed;
      return std::isnan(out.real) ? kNoFloat : std::string_view();
    }
    case ColumnType::boolean:
      set(out, std::int64_t{field == "\1" ? 1 : 0});
      return field.size() == 1 ? std::string_view() : kMalformed;
    case ColumnType::numeric:
      out = decode_numeric(field);
      if (out.kind == ValueClass::blob) return kMalformed;
      return out.kind == ValueClass::text ? kNoNumber : std::string_view();
    case ColumnType::text:
      set(out, ValueClass::text, field);
      return is_there(plan, column, TargetKind::time) ? read_time(out.bytes) : std::string_view();
    case ColumnType::json:
      set(out, ValueClass::text, field);
      return is_json(field) ? std::string_view() : "JSON that is nested too deeply";
    case ColumnType::bytea:
      set(out, ValueClass::blob, field);
      return {};
    case ColumnType::date: {
      const auto days = big_endian<std::int32_t>(field);
      out.kind = ValueClass::text;
      out.bytes.clear();
      if (!days) return kMalformed;
      return append_day(out.bytes, *days) ? std::string_view()
                                          : "infinity, or a year outside of 1 to 9999";
    }
    case ColumnType::timestamp:
    case ColumnType::timestamptz: {
      const auto instant = big_endian<std::int64_t>(field);
      if (instant && is_there(plan, column, TargetKind::time) &&
          *instant >= std::int64_t{86'400} * kMicroseconds)
        return kNoHour;
      return instant ? read_instant(out, *instant, type, plan.spelling(column)) : kMalformed;
    }
    case ColumnType::timestamp_ms: {
      const auto instant = big_endian<std::int64_t>(field);
      if (!instant) return kMalformed;
      if (*instant % 1'000 != 0) return kNotMilliseconds;
      set(out, *instant / 1'000 + kMillisecondsTo2000);
      return instant_of_milliseconds(out.integer) ? std::string_view()
                                                  : "infinity, or a year outside of 1 to 9999";
    }
    case ColumnType::uuid:
      if (field.size() != 16) return kMalformed;
      out.kind = ValueClass::text;
      spell_uuid(out.bytes, field, plan.spelling(column));
      return {};
  }
  return kMalformed;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  return std::nullopt;
}

bool read_hex(std::string& out, std::string_view digits) {
  out.clear();
  if (digits.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const auto high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);
    if (!high || !low) return false;
    out += static_cast<char>(*high << 4U | *low);
  }
  return true;
}

/// `text` without `head` and `tail`; nothing if it does not have them.
std::optional<std::string_view> inside(std::string_view text, std::string_view head,
                                       std::string_view tail) {
  if (text.size() < head.size() + tail.size() || !text.starts_with(head) || !text.ends_with(tail))
    return std::nullopt;
  return text.substr(head.size(), text.size() - head.size() - tail.size());
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

/// What a literal of SQLite says, as Cast::literal writes them.
bool read_literal(Value& out, std::string_view text) {
  out = {};
  if (const auto digits = inside(text, "x'", "'"))
    return out.kind = ValueClass::blob, read_hex(out.bytes, *digits);
  if (const auto digits = inside(text, "CAST(x'", "' AS TEXT)"))
    return out.kind = ValueClass::text, read_hex(out.bytes, *digits);
  if (const auto quoted = inside(text, "'", "'")) {
    out.kind = ValueClass::text;
    for (std::size_t i = 0; i < quoted->size(); ++i) {
      out.bytes += (*quoted)[i];
      if ((*quoted)[i] == '\'' && (++i == quoted->size() || (*quoted)[i] != '\'')) return false;
    }
    return true;
  }
  if (const auto integer = number_of<std::int64_t>(text)) return set(out, *integer), true;
  if (text == "9e999" || text == "-9e999")
    return set(out, (text[0] == '-' ? -1 : 1) * std::numeric_limits<double>::infinity()), true;
  const auto real = number_of<double>(text);
  if (!real || !std::isfinite(*real)) return false;
  return set(out, *real), true;
}

std::int64_t unit_of(Cast cast) {
  if (cast == Cast::epoch_s) return kMicroseconds;
  return cast == Cast::epoch_ms ? 1'000 : 1;
}

bool has_unit(Cast cast) {
  return cast == Cast::epoch_s || cast == Cast::epoch_ms || cast == Cast::epoch_us;
}

/// The number of units since 1970 of an instant that is spelled in full.
bool read_epoch(Value& out, std::string_view text, Cast cast, Affinity affinity) {
  const auto instant = parse_instant(text);
  if (!instant) return false;
  const std::int64_t since_1970 = instant->microseconds + kMillisecondsTo2000 * 1'000;
  const std::int64_t unit = unit_of(cast);
  out = {};
  if (since_1970 % unit == 0 && affinity != Affinity::real)
    set(out, since_1970 / unit);
  else
    set(out, static_cast<double>(since_1970) / static_cast<double>(unit));
  return true;
}

/// The bytes that a present value is carried as; nothing for NULL, false if it cannot be.
bool carried(std::optional<std::string>& bytes, const ValueView& present, const TablePlan& plan,
             std::size_t column) {
  RuleReader rules(plan.rules, plan.shape.key);
  const ValueView value = rules(column, present);
  bytes.reset();
  if (value.kind == ValueClass::null) return true;
  if (misfit_of_carried(plan, column, value) != Misfit::none) return false;
  append_raw(bytes.emplace(), value, plan.types[column]);
  return true;
}

// Months have no length, and SQLite's instants end with the year 9999: infinity says that it is
// none.
std::string instant_of_interval(const std::string& name) {
  return fmt::format(
      "CASE WHEN extract(year FROM {0}) <> 0 OR extract(month FROM {0}) <> 0 OR {0} < interval "
      "'-719162 days' OR {0} >= interval '2932897 days' THEN 'infinity' ELSE timestamp "
      "'1970-01-01' + {0} END",
      name);
}

bool inverted(Value& out, const std::optional<std::string_view>& field, const TablePlan& plan,
              std::size_t column) {
  const ColumnRule& rule = plan.rules.columns[column];
  const Value seen = std::move(out);
  out = seen;
  if (seen.kind == ValueClass::text && rule.cast == Cast::literal && !read_literal(out, seen.bytes))
    return false;
  if (seen.kind == ValueClass::text && has_unit(rule.cast) &&
      !read_epoch(out, seen.bytes, rule.cast, plan.shape.columns[column].affinity))
    return false;
  // Whatever the rule is: a value that it turns into this very field is one that it came from.
  return still_means(out.view(), field, plan, column);
}

}  // namespace

std::string carried_value(const TablePlan& plan, std::size_t column, const std::string& value) {
  if (!plan.existing) return value;
  // As it is sent, an interval has its parts; an inet as text its length, needed or not.
  if (is_there(plan, column, TargetKind::interval))
    return plan.types[column] == ColumnType::timestamp ? instant_of_interval(value) : value;
  if (is_there(plan, column, TargetKind::inet)) return fmt::format("pg_catalog.abbrev({})", value);
  if (plan.types[column] == ColumnType::timestamp && is_there(plan, column, TargetKind::time))
    return fmt::format("date '2000-01-01' + {}", value);
  // The type of milliseconds would round what has more digits: to another row, in a key.
  const ColumnType type = plan.types[column];
  return fmt::format("({})::{}", value,
                     to_string(type == ColumnType::timestamp_ms ? ColumnType::timestamp : type));
}

std::string carried_column(const TablePlan& plan, std::size_t column, std::string_view alias) {
  return carried_value(plan, column,
                       fmt::format("{}{}{}", alias, alias.empty() ? "" : ".",
                                   postgres::quoted(plan.target_column(column))));
}

std::string_view decode(Value& out, const std::optional<std::string_view>& field,
                        const TablePlan& plan, std::size_t column) {
  out.kind = ValueClass::null;
  const bool ruled =
      column < plan.rules.columns.size() && plan.rules.columns[column].changes_values();
  if (field) {
    const std::string_view why = read_field(out, *field, plan, column);
    if (!why.empty() && !(ruled && why == kNoSpelling)) return why;
  }
  if (ruled && !inverted(out, field, plan, column)) return kNoRuleBack;
  if (plan.types[column] == ColumnType::numeric && out.kind == ValueClass::integer &&
      plan.shape.columns[column].affinity == Affinity::real) {  // it has no integers
    Value real = out;
    make_real(real);
    if (still_means(real.view(), field, plan, column)) out = std::move(real);
  }
  if (kept_by(plan.shape.columns[column].affinity, out.view())) return {};
  // A number that a rule made a text of.
  if (!ruled || out.kind != ValueClass::text) return kConverted;
  if (const auto integer = number_of<std::int64_t>(out.bytes))
    set(out, *integer);
  else if (const auto real = number_of<double>(out.bytes))
    set(out, *real);
  return kept_by(plan.shape.columns[column].affinity, out.view()) &&
                 still_means(out.view(), field, plan, column)
             ? std::string_view()
             : kConverted;
}

bool still_means(const ValueView& present, const std::optional<std::string_view>& field,
                 const TablePlan& plan, std::size_t column) {
  std::optional<std::string> bytes;
  if (!carried(bytes, present, plan, column)) return false;
  if (!bytes || !field) return bytes.has_value() == field.has_value();
  if (*bytes == *field) return true;
  if (plan.types[column] == ColumnType::numeric) {  // 5.00 is 5
    const Value one = decode_numeric(*bytes), other = decode_numeric(*field);
    return same_value(one.view(), other.view());
  }
  std::int64_t microseconds = 0;
  if (is_there(plan, column, TargetKind::interval) && plan.types[column] == ColumnType::bigint)
    return read_interval(microseconds, *field).empty() &&
           big_endian<std::int64_t>(*bytes) == microseconds;
  if (!is_there(plan, column, TargetKind::time)) return false;
  // HH:MM is HH:MM:SS, and zeros at the end of a fraction say nothing.
  const auto one = parse_instant("2000-01-01 " + *bytes),
             other = parse_instant("2000-01-01 " + std::string(*field));
  return one && other && one->microseconds == other->microseconds;
}

std::vector<OneWayColumn> cannot_go_back(const TablePlan& plan) {
  std::vector<OneWayColumn> columns;
  const std::string stays = "only PostgreSQL has it; its values stay there";
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i) {
    const Column& column = plan.shape.columns[i];
    const auto say = [&](std::string why) {
      columns.push_back({plan.name(), column.name, std::move(why)});
    };
    if (column.generated != Generated::no && column.computed_as.empty())
      say("SQLite computes it, PostgreSQL does not: what is written to it there stays there");
    if (is_there(plan, i, TargetKind::time) && plan.is_key(i))
      say("a time in the key: SQLite may have spelled it otherwise than PostgreSQL gives it back");
    if (i >= plan.rules.columns.size() || !plan.rules.columns[i].changes_values()) continue;
    const ColumnRule& rule = plan.rules.columns[i];
    const bool exact = rule.nul == Nul::keep && !rule.default_if_null &&
                       (rule.cast == Cast::literal || has_unit(rule.cast));
    if (!exact)
      say(
          fmt::format("the rule {} has no way back: a value that changes on PostgreSQL and that "
                      "the rule would not keep as it is stops the way back (LS-X606)",
                      describe(rule)));
  }
  for (const AddedColumn& added : plan.rules.added)
    columns.push_back({plan.name(), added.name, stays});
  if (plan.existing)
    for (const std::string& extra : plan.existing->extra)
      columns.push_back({plan.name(), extra, stays});
  return columns;
}

}  // namespace lockstep::postgres
