#include "apply/defaults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>

#include "link/postgres/names.hpp"
#include "link/sqlite/expression.hpp"
#include "link/sqlite/sql_text.hpp"
#include "model/spelling.hpp"

namespace lockstep::apply {

namespace {

using sqlite::Expression;
using Kind = Expression::Kind;

// SQLite's 'now' is one moment per statement.
constexpr char kNow[] = "statement_timestamp()";

struct Constant {
  enum class Class { integer, real, text, blob } storage = Class::integer;
  std::int64_t integer = 0;
  std::string text{};  // of a real as written
};
using Class = Constant::Class;

std::optional<Constant> integer_of(const std::string& text, bool negative) {
  const bool hex = text.size() > 2 && (text[1] == 'x' || text[1] == 'X');
  const char* last = text.data() + text.size();
  std::int64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data() + (hex ? 2 : 0), last, value, hex ? 16 : 10);
  if (error != std::errc() || end != last || value < 0) return std::nullopt;
  return Constant{Class::integer, negative ? -value : value};
}

// At most 15 digits, and an exponent up to 10^22: every reader makes the same double of it.
std::optional<Constant> real_of(const std::string& text, bool negative) {
  constexpr std::size_t kExact = 16;  // with the point
  constexpr int kExactPower = 22;
  const std::size_t e = std::min(text.find_first_of("eE"), text.size());
  if (e > kExact) return std::nullopt;
  if (e < text.size()) {
    const char* first = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
    int power = 0;
    const auto read = std::from_chars(first, text.data() + text.size(), power);
    const auto point = text.substr(0, e).find('.');
    const int behind = point == std::string::npos ? 0 : static_cast<int>(e - point) - 1;
    if (read.ec != std::errc() || std::abs(power - behind) > kExactPower) return std::nullopt;
  }
  return Constant{Class::real, 0, (negative ? "-" : "") + text};
}

std::optional<Constant> sum_of(const Expression& from);

std::optional<Constant> constant_of(const Expression& from) {
  switch (from.kind) {
    case Kind::integer:
      return integer_of(from.text, false);
    case Kind::real:
      return real_of(from.text, false);
    case Kind::string:
      return Constant{Class::text, 0, from.text};
    case Kind::blob:
      return Constant{Class::blob, 0, from.text};
    case Kind::name:
      if (!from.qualifier.empty()) return std::nullopt;
      if (!from.double_quoted && sqlite::same_name(from.text, "true")) return Constant{{}, 1};
      if (!from.double_quoted && sqlite::same_name(from.text, "false")) return Constant{{}, 0};
      return Constant{Class::text, 0, from.text};
    case Kind::unary:
      if (from.operands[0].kind == Kind::integer && from.text != "NOT" && from.text != "~")
        return integer_of(from.operands[0].text, from.text == "-");
      if (from.operands[0].kind == Kind::real && from.text != "NOT" && from.text != "~")
        return real_of(from.operands[0].text, from.text == "-");
      return std::nullopt;
    case Kind::binary:
      return sum_of(from);
    case Kind::null:
    case Kind::in:
    case Kind::between:
    case Kind::is_null:
    case Kind::collate:
    case Kind::call:
    case Kind::case_when:
      break;
  }
  return std::nullopt;
}

std::optional<Constant> sum_of(const Expression& from) {
  const auto left = constant_of(from.operands[0]), right = constant_of(from.operands[1]);
  if (!left || !right || left->storage != Class::integer || right->storage != Class::integer)
    return std::nullopt;
  Constant sum;
  const auto overflows = [&] {
    if (from.text == "+")
      return __builtin_add_overflow(left->integer, right->integer, &sum.integer);
    if (from.text == "-")
      return __builtin_sub_overflow(left->integer, right->integer, &sum.integer);
    if (from.text == "*")
      return __builtin_mul_overflow(left->integer, right->integer, &sum.integer);
    return true;
  };
  return overflows() ? std::nullopt : std::optional(sum);
}

// "-1.50", as ORMs quote the defaults of their numbers.
std::optional<Constant> plain_number_of(const std::string& text) {
  const bool negative = text.starts_with('-');
  const std::string digits = text.substr(negative ? 1 : 0);
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const auto all_digits = [](std::string_view part) {
    return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (!all_digits(std::string_view(digits).substr(0, point))) return std::nullopt;
  if (point == digits.size()) return integer_of(digits, negative);
  if (!all_digits(std::string_view(digits).substr(point + 1))) return std::nullopt;
  return real_of(digits, negative);
}

// What the column's affinity makes of it; empty where that is not sure.
std::optional<Constant> converted(Constant value, Affinity affinity) {
  constexpr double kExactInReal = 9007199254740992.0;
  const bool numeric =
      affinity == Affinity::integer || affinity == Affinity::numeric || affinity == Affinity::real;
  if (numeric && value.storage == Class::text) {
    if (const auto number = plain_number_of(value.text)) {
      value = *number;
    } else if (value.text.find_first_not_of(" \t\n\v\f\r+-.0123456789eE") == std::string::npos &&
               value.text.find_first_of("0123456789") != std::string::npos &&
               !parse_day(value.text)) {  // no number has two signs inside
      return std::nullopt;
    }
  }
  if (value.storage == Class::real && numeric && affinity != Affinity::real) {
    const double number = std::strtod(value.text.c_str(), nullptr);
    if (std::trunc(number) == number) {
      if (std::abs(number) > kExactInReal) return std::nullopt;
      return Constant{Class::integer, static_cast<std::int64_t>(number)};
    }
  }
  if (value.storage == Class::integer && affinity == Affinity::real) {
    if (std::abs(static_cast<double>(value.integer)) > kExactInReal) return std::nullopt;
    return Constant{Class::real, 0, fmt::to_string(value.integer)};
  }
  if (affinity == Affinity::text) {
    if (value.storage == Class::integer)
      return Constant{Class::text, 0, fmt::to_string(value.integer)};
    if (value.storage == Class::real) return std::nullopt;
  }
  return value;
}

// A text that is spelled as the column's values are, and that PostgreSQL reads as they are read.
bool means(std::string_view text, ColumnType type) {
  if (type == ColumnType::date) return parse_day(text).has_value();
  if (type == ColumnType::uuid) return parse_uuid(text).has_value();
  if (type != ColumnType::timestamp && type != ColumnType::timestamptz) return false;
  const auto instant = parse_instant(text);
  return instant && (instant->zone == Zone::none) == (type == ColumnType::timestamp);
}

std::optional<std::string> constant_sql(const Constant& value, ColumnType type) {
  if (value.storage == Class::integer &&
      (type == ColumnType::bigint || type == ColumnType::numeric)) {
    // Its digits alone are out of range before the sign comes.
    if (value.integer == std::numeric_limits<std::int64_t>::min()) return std::nullopt;
    return fmt::to_string(value.integer);
  }
  if (value.storage == Class::integer && type == ColumnType::boolean &&
      (value.integer == 0 || value.integer == 1))
    return value.integer == 1 ? "true" : "false";
  if (value.storage == Class::real &&
      (type == ColumnType::double_precision || type == ColumnType::numeric))
    return value.text;
  if (value.storage == Class::text && type == ColumnType::text)
    return postgres::literal(value.text);
  if (value.storage == Class::text && type == ColumnType::json && is_json(value.text))
    return postgres::literal(value.text) + "::json";
  if (value.storage == Class::text && means(value.text, type))
    return fmt::format("{}::{}", postgres::literal(value.text), to_string(type));
  if (value.storage == Class::blob && type == ColumnType::bytea)
    return postgres::literal("\\x" + value.text) + "::bytea";
  return std::nullopt;
}

// strftime's format as to_char's; empty if it has more than the plain fields.
std::optional<std::string> char_format(std::string_view format) {
  constexpr std::array<std::pair<char, std::string_view>, 7> kFields{{{'Y', "YYYY"},
                                                                      {'m', "MM"},
                                                                      {'d', "DD"},
                                                                      {'H', "HH24"},
                                                                      {'M', "MI"},
                                                                      {'S', "SS"},
                                                                      {'f', "SS.MS"}}};
  std::string out;
  for (std::size_t at = 0; at < format.size(); ++at) {
    const char c = format[at];
    if (c != '%') {
      if (c == '"' || c == '\\') return std::nullopt;
      const bool plain = c == '-' || c == ':' || c == ' ' || c == '.' || c == '/';
      out += plain ? std::string(1, c) : fmt::format("\"{}\"", c);
      continue;
    }
    if (++at >= format.size()) return std::nullopt;
    const auto* const field = std::find_if(
        kFields.begin(), kFields.end(), [&](const auto& each) { return each.first == format[at]; });
    if (field == kFields.end()) return std::nullopt;
    out += field->second;
  }
  return out;
}

struct Moment {
  std::string format;         // strftime's
  bool thousandfold = false;  // of %s: milliseconds, of a whole second
};

std::optional<Moment> moment_of(const Expression& from) {  // NOLINT(misc-no-recursion): two deep
  if (from.kind == Kind::name && !from.double_quoted) {
    if (sqlite::same_name(from.text, "CURRENT_TIMESTAMP")) return Moment{"%Y-%m-%d %H:%M:%S"};
    if (sqlite::same_name(from.text, "CURRENT_DATE")) return Moment{"%Y-%m-%d"};
    if (sqlite::same_name(from.text, "CURRENT_TIME")) return Moment{"%H:%M:%S"};
  }
  if (from.kind == Kind::binary && from.text == "*" && from.operands[1].kind == Kind::integer &&
      from.operands[1].text == "1000") {
    const auto seconds = moment_of(from.operands[0]);
    const bool plain = seconds && seconds->format == "%s" && !seconds->thousandfold;
    return plain ? std::optional(Moment{"%s", true}) : std::nullopt;
  }
  if (from.kind != Kind::call) return std::nullopt;
  const bool formatted = from.text == "strftime";
  const std::vector<Expression>& arguments = from.operands;
  const std::size_t first = formatted ? 1 : 0;
  // Without more arguments it is now, since SQLite 3.38.
  if (arguments.size() < first || arguments.size() > first + 1) return std::nullopt;
  if (formatted && arguments[0].kind != Kind::string) return std::nullopt;
  if (arguments.size() > first &&
      (arguments[first].kind != Kind::string || !sqlite::same_name(arguments[first].text, "now")))
    return std::nullopt;
  if (formatted) return Moment{arguments[0].text};
  if (from.text == "datetime") return Moment{"%Y-%m-%d %H:%M:%S"};
  if (from.text == "date") return Moment{"%Y-%m-%d"};
  if (from.text == "time") return Moment{"%H:%M:%S"};
  if (from.text == "unixepoch") return Moment{"%s"};
  return std::nullopt;
}

// Year to second, or to millisecond, in UTC: what it is cut to; empty: it is something else.
std::string_view precision_of(std::string_view format) {
  for (const std::string_view zone : {"Z", "+00:00", "+00"})
    if (format.ends_with(zone)) {
      format.remove_suffix(zone.size());
      break;
    }
  constexpr std::string_view kDay = "%Y-%m-%d";
  if (!format.starts_with(kDay)) return {};
  format.remove_prefix(kDay.size());
  if (format == " %H:%M:%S" || format == "T%H:%M:%S") return "'second'";
  return format == " %H:%M:%f" || format == "T%H:%M:%f" ? "'milliseconds'" : std::string_view();
}

std::optional<std::string> moment_sql(const Moment& moment, Affinity affinity, ColumnType type) {
  if (moment.format == "%s") {
    const std::string seconds = fmt::format("floor(extract(epoch FROM {}))::bigint", kNow);
    const bool whole = affinity == Affinity::integer || affinity == Affinity::numeric;
    if (type == ColumnType::bigint && whole)
      return seconds + (moment.thousandfold ? " * 1000" : "");
    if (moment.thousandfold && type == ColumnType::timestamp_ms)
      return fmt::format("date_trunc('second', {} AT TIME ZONE 'UTC')", kNow);
    if (moment.thousandfold) return std::nullopt;
    if (type == ColumnType::text && affinity == Affinity::text) return seconds + "::text";
    return std::nullopt;
  }
  // Without these SQLite would take the text for a number, but in a TEXT column.
  if (moment.format.find_first_of("-:") == std::string::npos && affinity != Affinity::text)
    return std::nullopt;
  if (moment.format == "%Y-%m-%d" && type == ColumnType::date)
    return fmt::format("({} AT TIME ZONE 'UTC')::date", kNow);
  // Into milliseconds SQLite would put a text; who counts them writes them itself.
  if (const std::string_view precision = precision_of(moment.format); !precision.empty()) {
    if (type == ColumnType::timestamp || type == ColumnType::timestamp_ms)
      return fmt::format("date_trunc({}, {} AT TIME ZONE 'UTC')", precision, kNow);
    if (type == ColumnType::timestamptz) return fmt::format("date_trunc({}, {})", precision, kNow);
  }
  const auto format = char_format(moment.format);
  if (!format || type != ColumnType::text) return std::nullopt;
  return fmt::format("to_char({} AT TIME ZONE 'UTC', {})", kNow, postgres::literal(*format));
}

}  // namespace

Translation translate_default(const TablePlan& plan, std::size_t column) {
  const Column& of = plan.shape.columns[column];
  if (of.default_sql.empty() || of.generated != Generated::no) return {};
  if (column < plan.rules.columns.size() && plan.rules.columns[column].cast == Cast::literal)
    return {{}, "a rule changes the column's values", {}};
  const auto tree = sqlite::read_expression(of.default_sql);
  if (!tree) return {{}, "it is not understood", {}};
  if (tree->kind == Kind::null) return {};
  if (const auto moment = moment_of(*tree)) {
    const Cast unit = moment->thousandfold ? Cast::epoch_ms : Cast::epoch_s;
    const bool counted =
        column < plan.rules.columns.size() && plan.rules.columns[column].cast == unit;
    const auto sql = counted && moment->format == "%s"
                         ? std::optional(fmt::format("date_trunc('second', {})", kNow))
                         : moment_sql(*moment, of.affinity, plan.types[column]);
    if (sql) return {*sql, {}, {}};
    return {{}, fmt::format("the current time, into {}", to_string(plan.types[column])), {}};
  }
  const auto value = constant_of(*tree);
  if (!value) return {{}, "it is no constant", {}};
  const auto stored = converted(*value, of.affinity);
  const auto sql = stored ? constant_sql(*stored, plan.types[column]) : std::nullopt;
  if (sql) return {*sql, {}, {}};
  return {{}, fmt::format("it is no value of type {}", to_string(plan.types[column])), {}};
}

}  // namespace lockstep::apply
