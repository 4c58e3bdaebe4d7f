#include "apply/translate_term.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "link/postgres/names.hpp"

namespace lockstep::apply {

namespace {

constexpr Wide kMin = std::numeric_limits<std::int64_t>::min();
constexpr Wide kMax = std::numeric_limits<std::int64_t>::max();
constexpr Wide kExactInReal = Wide{1} << 53;
constexpr std::int64_t kTextMax = 1 << 30;  // characters PostgreSQL can hold at most

bool is_number(TermKind kind) {
  return kind != TermKind::text && kind != TermKind::bytea;
}

// What SQLite would turn into a number on the other side of a column with numeric affinity.
bool looks_numeric(const std::string& text) {
  return text.find_first_not_of(" \t\n\v\f\r+-.0123456789eExX") == std::string::npos &&
         text.find_first_of("0123456789") != std::string::npos;
}

void check_texts(const Term& left, const Term& right) {
  for (const auto& [one, other] : {std::pair(&left, &right), std::pair(&right, &left)}) {
    if (one->affinity != TermAffinity::number || other->affinity == TermAffinity::number) continue;
    if (other->affinity == TermAffinity::literal && !looks_numeric(other->literal)) continue;
    throw Untranslated("SQLite takes texts that look like numbers for numbers there");
  }
}

const std::string& collation_of(const Term& left, const Term& right) {
  if (left.explicit_collation) return left.collation;
  if (right.explicit_collation) return right.collation;
  return left.has_collation ? left.collation : right.collation;
}

// Both sides as PostgreSQL compares them exactly as SQLite does: an integer and a double are not
// compared as doubles there.
std::pair<std::string, std::string> numbers(const Term& left, const Term& right) {
  std::pair<std::string, std::string> sql{number_sql(left), number_sql(right)};
  if (left.kind == TermKind::boolean && right.kind == TermKind::boolean)
    return {left.sql, right.sql};
  for (const auto& [one, other, text] :
       {std::tuple(&left, &right, &sql.second), std::tuple(&right, &left, &sql.first)}) {
    if (one->kind != TermKind::real || one->affinity == TermAffinity::literal) continue;
    if (other->kind == TermKind::real) {
      if (other->affinity == TermAffinity::literal) *text += "::double precision";
      continue;
    }
    if (other->kind == TermKind::numeric) throw Untranslated("it compares a real with a decimal");
    if (other->low < -kExactInReal || other->high > kExactInReal)
      throw Untranslated("it compares a real with an integer");
  }
  return sql;
}

std::string joined(const std::string& op, const std::string& left, const std::string& right) {
  if (op == "IS") return fmt::format("({} IS NOT DISTINCT FROM {})", left, right);
  if (op == "IS NOT") return fmt::format("({} IS DISTINCT FROM {})", left, right);
  return fmt::format("({} {} {})", left, op, right);
}

bool is_order(const std::string& op) {
  return op.front() == '<' ? op != "<>" : op.front() == '>';
}

void want_texts(const std::string& name, const std::vector<Term>& arguments, std::size_t count) {
  if (arguments.size() < count) throw Untranslated(fmt::format("function {}", name));
  for (std::size_t i = 0; i < count; ++i)
    if (arguments[i].kind != TermKind::text)
      throw Untranslated(fmt::format("{}() of something that is no text", name));
}

Term coalesced(const std::vector<Term>& arguments) {
  if (arguments.size() < 2) throw Untranslated("function coalesce");
  Term all = arguments.front();
  std::string list = all.sql;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const Term& next = arguments[i];
    if (next.kind != all.kind) throw Untranslated("coalesce() of different types");
    list += ", " + next.sql;
    all.low = std::min(all.low, next.low);
    all.high = std::max(all.high, next.high);
  }
  all.sql = fmt::format("coalesce({})", list);
  all.affinity = TermAffinity::none;
  all.literal.clear();
  all.has_collation = all.explicit_collation = false;
  all.collation = "BINARY";
  return all;
}

Term type_name(const Term& of) {
  std::string name;
  switch (of.kind) {
    case TermKind::boolean:
    case TermKind::integer:
      name = "'integer'";
      break;
    case TermKind::real:
      name = "'real'";
      break;
    case TermKind::numeric:
      throw Untranslated("typeof() of a decimal");
    case TermKind::text:
      name = "'text'";
      break;
    case TermKind::bytea:
      name = "'blob'";
      break;
  }
  return text_term(fmt::format("(CASE WHEN {} IS NULL THEN 'null' ELSE {} END)", of.sql, name));
}

Term part_of_text(const std::vector<Term>& arguments) {
  want_texts("substr", arguments, 1);
  // Negative starts and lengths mean something else in SQLite.
  for (std::size_t i = 1; i < arguments.size(); ++i)
    if (!is_whole(arguments[i]) || arguments[i].affinity != TermAffinity::literal ||
        arguments[i].low < (i == 1 ? 1 : 0) || arguments[i].high > kTextMax)
      throw Untranslated("substr() by something else than positive numbers");
  if (arguments.size() == 2)
    return text_term(fmt::format("substr({}, {})", arguments[0].sql, arguments[1].sql));
  if (arguments.size() != 3) throw Untranslated("function substr");
  return text_term(
      fmt::format("substr({}, {}, {})", arguments[0].sql, arguments[1].sql, arguments[2].sql));
}

}  // namespace

bool is_whole(const Term& term) {
  return term.kind == TermKind::boolean || term.kind == TermKind::integer;
}

std::string number_sql(const Term& term) {
  return term.kind == TermKind::boolean ? fmt::format("({})::int", term.sql) : term.sql;
}

// Under "C" PostgreSQL's lower() changes A to Z only, as NOCASE does.
std::string folded(const std::string& sql, const std::string& collation) {
  if (collation == "BINARY") return sql;
  if (collation == "NOCASE") return fmt::format(R"(lower({} COLLATE "C"))", sql);
  if (collation == "RTRIM") return fmt::format("rtrim({}, ' ')", sql);
  throw Untranslated(fmt::format("collation {}", collation));
}

Term whole_term(std::string sql, Wide low, Wide high) {
  Term term{std::move(sql), TermKind::integer};
  term.low = low;
  term.high = high;
  return term;
}

Term text_term(std::string sql) {
  return {std::move(sql), TermKind::text};
}

namespace {

// A constant is folded here: PostgreSQL plans a generated column's expression before it knows the
// collation, and lower('A' COLLATE "C") fails there.
std::string folded_side(const Term& term, const std::string& collation) {
  if (term.affinity != TermAffinity::literal || collation == "BINARY")
    return folded(term.sql, collation);
  std::string sql = term.sql;  // '..' or E'..', in which folding touches no escape
  if (collation == "NOCASE") {
    std::transform(sql.begin(), sql.end(), sql.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  } else if (collation == "RTRIM") {
    sql.pop_back();
    sql.erase(sql.find_last_not_of(' ') + 1);
    sql += '\'';
  } else {
    return folded(sql, collation);
  }
  return sql;
}

// As queries spell it there, whose WHERE has to imply that of a partial index.
bool is_truth(const Term& term) {
  return term.kind == TermKind::integer && term.affinity == TermAffinity::literal &&
         term.low == term.high && (term.low == 0 || term.low == 1);
}

}  // namespace

Term compared(const std::string& op, const Term& left, const Term& right) {
  Term result{{}, TermKind::boolean};
  result.high = 1;
  if (left.kind == TermKind::text && right.kind == TermKind::text) {
    check_texts(left, right);
    const std::string& collation = collation_of(left, right);
    result.sql = joined(op, folded_side(left, collation) + (is_order(op) ? R"( COLLATE "C")" : ""),
                        folded_side(right, collation));
  } else if (left.kind == TermKind::bytea && right.kind == TermKind::bytea) {
    result.sql = joined(op, left.sql, right.sql);
  } else if (left.kind == TermKind::boolean && is_truth(right) && op == "=") {
    result.sql = right.high == 1 ? left.sql : fmt::format("(NOT {})", left.sql);
  } else if (is_number(left.kind) && is_number(right.kind)) {
    const auto [one, other] = numbers(left, right);
    result.sql = joined(op, one, other);
  } else {
    throw Untranslated("it compares different types");
  }
  return result;
}

Term arithmetic(const std::string& op, const Term& left, const Term& right) {
  if (!is_whole(left) || !is_whole(right))
    throw Untranslated("it calculates with other things than integers");
  Term result{fmt::format("({}::bigint {} {}::bigint)", number_sql(left), op, number_sql(right)),
              TermKind::integer};
  if (op == "/" || op == "%") {
    if (right.affinity != TermAffinity::literal || right.low == 0 || right.low == -1)
      throw Untranslated("it divides by something that may be 0");
    result.low = kMin;
    result.high = kMax;
    return result;
  }
  const std::array<Wide, 4> ends =
      op == "+"   ? std::array{left.low + right.low, left.high + right.high, left.low + right.low,
                             left.high + right.high}
      : op == "-" ? std::array{left.low - right.high, left.high - right.low, left.low - right.high,
                               left.high - right.low}
      : op == "*" ? std::array{left.low * right.low, left.low * right.high, left.high * right.low,
                               left.high * right.high}
                  : throw Untranslated("operator " + op);
  result.low = *std::min_element(ends.begin(), ends.end());
  result.high = *std::max_element(ends.begin(), ends.end());
  if (result.low < kMin || result.high > kMax)
    throw Untranslated("where integers overflow, SQLite goes on in reals and PostgreSQL fails");
  return result;
}

Term called(const std::string& name, const std::vector<Term>& arguments) {
  if (name == "length" && arguments.size() == 1) {
    const Term& of = arguments.front();
    if (of.kind == TermKind::text)
      return whole_term(fmt::format("char_length({})", of.sql), 0, kTextMax);
    if (of.kind == TermKind::bytea)
      return whole_term(fmt::format("octet_length({})", of.sql), 0, kTextMax);
    throw Untranslated("length() of a number");
  }
  if ((name == "lower" || name == "upper") && arguments.size() == 1) {
    want_texts(name, arguments, 1);
    return text_term(fmt::format(R"({}({} COLLATE "C"))", name, arguments[0].sql));
  }
  if ((name == "trim" || name == "ltrim" || name == "rtrim") && arguments.size() == 1) {
    want_texts(name, arguments, 1);
    return text_term(fmt::format("{}({}, ' ')", name == "trim" ? "btrim" : name, arguments[0].sql));
  }
  if (name == "instr" && arguments.size() == 2) {
    want_texts(name, arguments, 2);
    return whole_term(fmt::format("strpos({}, {})", arguments[0].sql, arguments[1].sql), 0,
                      kTextMax);
  }
  if (name == "typeof" && arguments.size() == 1) return type_name(arguments.front());
  if (name == "substr" || name == "substring") return part_of_text(arguments);
  if (name == "coalesce" || (name == "ifnull" && arguments.size() == 2))
    return coalesced(arguments);
  throw Untranslated(fmt::format("function {}", name));
}

// SQLite's LIKE knows no escape by itself, and A to Z are a to z.
Term liked(bool negated, const Term& text, const Term& pattern) {
  if (text.kind != TermKind::text || pattern.kind != TermKind::text)
    throw Untranslated("LIKE of something that is no text");
  if (pattern.affinity != TermAffinity::literal)
    throw Untranslated("LIKE by something else than a constant");
  Term result{fmt::format("({} {}LIKE {} ESCAPE '')", folded(text.sql, "NOCASE"),
                          negated ? "NOT " : "", folded(pattern.sql, "NOCASE")),
              TermKind::boolean};
  result.high = 1;
  return result;
}

}  // namespace lockstep::apply
