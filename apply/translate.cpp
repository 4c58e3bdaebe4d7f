#include "apply/translate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "apply/translate_term.hpp"
#include "link/postgres/names.hpp"
#include "link/sqlite/sql_text.hpp"

namespace lockstep::apply {

namespace {

using sqlite::Expression;
using Kind = Expression::Kind;

constexpr std::size_t kExactDigits = 15;  // decimals that every double tells apart
constexpr std::int64_t kInt64Min = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kInt64Max = std::numeric_limits<std::int64_t>::max();

Term literal_term(std::string sql, TermKind kind, std::string text) {
  Term term{std::move(sql), kind};
  term.affinity = TermAffinity::literal;
  term.literal = std::move(text);
  return term;
}

Term integer_literal(const std::string& text, bool negative) {
  const bool hex = text.size() > 2 && (text[1] == 'x' || text[1] == 'X');
  std::uint64_t value = 0;
  const char* first = text.data() + (hex ? 2 : 0);
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(first, last, value, hex ? 16 : 10);
  if (error != std::errc() || end != last || value > static_cast<std::uint64_t>(kInt64Max))
    throw Untranslated("a number beyond 64 bits");
  const auto number = static_cast<std::int64_t>(value);
  Term term = literal_term(negative ? fmt::format("(-{})", number) : fmt::to_string(number),
                           TermKind::integer, text);
  term.low = term.high = negative ? -number : number;
  return term;
}

// More digits, or greater exponents, are not read alike by every version of SQLite.
Term real_literal(const std::string& text, bool negative) {
  const std::size_t exponent = text.find_first_of("eE");
  const std::string mantissa = text.substr(0, exponent);
  const auto digits =
      std::count_if(mantissa.begin(), mantissa.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (exponent != std::string::npos || static_cast<std::size_t>(digits) > kExactDigits)
    throw Untranslated("a real with an exponent or more than 15 digits");
  return literal_term(negative ? fmt::format("(-{})", text) : text, TermKind::real, text);
}

class Translator {
 public:
  explicit Translator(const TablePlan& plan) : plan_(plan) {}

  Term value(const Expression& from) {
    switch (from.kind) {
      case Kind::null:
        throw Untranslated("NULL as a value");
      case Kind::integer:
        return integer_literal(from.text, false);
      case Kind::real:
        return real_literal(from.text, false);
      case Kind::string:
        return literal_term(postgres::literal(from.text), TermKind::text, from.text);
      case Kind::blob:
        return literal_term(fmt::format("{}::bytea", postgres::literal("\\x" + from.text)),
                            TermKind::bytea, from.text);
      case Kind::name:
        return named(from);
      case Kind::unary:
        return unary(from);
      case Kind::binary:
        return binary(from);
      case Kind::in:
        return in(from);
      case Kind::between:
        return between(from);
      case Kind::is_null:
        if (const auto spelled = spelled_column(from.operands[0]))
          return truth_term(fmt::format("({} {})", *spelled, from.text));
        return truth_term(fmt::format("({} {})", value(from.operands[0]).sql, from.text));
      case Kind::collate:
        return collated(from);
      case Kind::call:
        return call(from);
      case Kind::case_when:
        return case_when(from);
    }
    throw Untranslated("it");
  }

  // As WHERE and CHECK take it.
  std::string truth(const Expression& from) {
    if (from.kind == Kind::null) return "NULL::boolean";
    const Term term = value(from);
    if (term.kind == TermKind::boolean) return term.sql;
    if (term.kind == TermKind::text || term.kind == TermKind::bytea)
      throw Untranslated("a text or blob as a condition");
    return fmt::format("({} <> 0)", term.sql);
  }

  Term column(std::size_t number) {
    columns_.push_back(number);
    const Column& column = plan_.shape.columns[number];
    if (plan_.is_converted(number))
      throw Untranslated(fmt::format("a rule changes the values of {}", column.name));
    Term term{postgres::quoted(plan_.target_column(number))};
    switch (plan_.types[number]) {
      case ColumnType::bigint:
        term.kind = TermKind::integer;
        term.low = kInt64Min;
        term.high = kInt64Max;
        break;
      case ColumnType::double_precision:
        term.kind = TermKind::real;
        break;
      case ColumnType::text:
        term.kind = TermKind::text;
        break;
      case ColumnType::bytea:
        term.kind = TermKind::bytea;
        break;
      case ColumnType::numeric:
        // Elsewhere than under numeric affinity, whole reals may stand beside integers.
        if (column.affinity != Affinity::numeric && column.affinity != Affinity::integer)
          throw Untranslated(fmt::format("column {} is numeric", column.name));
        term.kind = TermKind::numeric;
        break;
      case ColumnType::boolean:  // 0 and 1, and nothing else
        term.kind = TermKind::boolean;
        term.high = 1;
        break;
      case ColumnType::date:
      case ColumnType::timestamp:
      case ColumnType::timestamptz:
      case ColumnType::timestamp_ms:
      case ColumnType::uuid:
      case ColumnType::json:
        // SQLite compares how these are spelled, PostgreSQL what they mean.
        throw Untranslated(
            fmt::format("column {} is {}", column.name, to_string(plan_.types[number])));
    }
    term.affinity = column.affinity == Affinity::text   ? TermAffinity::text
                    : column.affinity == Affinity::blob ? TermAffinity::none
                                                        : TermAffinity::number;
    term.collation = column.collation;
    term.has_collation = true;
    return term;
  }

  [[nodiscard]] std::vector<std::size_t> columns() const { return columns_; }

 private:
  // COLLATE inside of an expression would count for the whole of it.
  Term inner(const Expression& from) {
    Term term = value(from);
    if (term.explicit_collation) throw Untranslated("COLLATE inside of an expression");
    return term;
  }

  static Term truth_term(std::string sql) {
    Term term{std::move(sql), TermKind::boolean};
    term.high = 1;
    return term;
  }

  // Of a type that keeps only what a text means. Whether it is NULL does not hang on that.
  std::optional<std::string> spelled_column(const Expression& from) {
    if (from.kind != Kind::name || !is_own(from)) return std::nullopt;
    const auto number = plan_.shape.column_named(from.text);
    if (!number || plan_.is_converted(*number)) return std::nullopt;
    static constexpr ColumnType kSpelled[] = {ColumnType::date,        ColumnType::timestamp,
                                              ColumnType::timestamptz, ColumnType::timestamp_ms,
                                              ColumnType::uuid,        ColumnType::json};
    if (std::find(std::begin(kSpelled), std::end(kSpelled), plan_.types[*number]) ==
        std::end(kSpelled))
      return std::nullopt;
    columns_.push_back(*number);
    return postgres::quoted(plan_.target_column(*number));
  }

  // Named without a table, or with this one.
  [[nodiscard]] bool is_own(const Expression& name) const {
    return name.qualifier.empty() || sqlite::same_name(name.qualifier, plan_.name());
  }

  // Such a column takes nothing but JSON.
  std::optional<std::string> json_column(const Expression& from) {
    if (from.kind != Kind::name) return std::nullopt;
    const auto number = plan_.shape.column_named(from.text);
    if (!number || plan_.types[*number] != ColumnType::json) return std::nullopt;
    return spelled_column(from);
  }

  Term named(const Expression& from) {
    const auto& columns = plan_.shape.columns;
    for (std::size_t i = 0; i < columns.size() && is_own(from); ++i)
      if (!columns[i].is_rowid && sqlite::same_name(columns[i].name, from.text)) return column(i);
    if (!from.qualifier.empty())
      throw Untranslated(fmt::format("it names {}.{}", from.qualifier, from.text));
    if (from.double_quoted)
      return literal_term(postgres::literal(from.text), TermKind::text, from.text);
    if (sqlite::same_name(from.text, "true")) return integer_literal("1", false);
    if (sqlite::same_name(from.text, "false")) return integer_literal("0", false);
    throw Untranslated("it names " + from.text);
  }

  Term unary(const Expression& from) {
    const Expression& of = from.operands[0];
    if (from.text == "NOT") return truth_term(fmt::format("(NOT {})", truth(of)));
    if (from.text == "-" && of.kind == Kind::integer) return integer_literal(of.text, true);
    if (from.text == "-" && of.kind == Kind::real) return real_literal(of.text, true);
    if (from.text == "+") {
      Term term = value(of);  // takes affinity away, and keeps collation
      if (term.affinity == TermAffinity::literal) return term;
      if (term.kind == TermKind::text && term.affinity == TermAffinity::number)
        throw Untranslated("operator +");
      term.affinity = TermAffinity::none;
      return term;
    }
    throw Untranslated("operator " + from.text);
  }

  Term binary(const Expression& from) {
    const std::string& op = from.text;
    const Expression& left = from.operands[0];
    const Expression& right = from.operands[1];
    if (op == "AND" || op == "OR")
      return truth_term(fmt::format("({} {} {})", truth(left), op, truth(right)));
    if (op == "LIKE" || op == "NOT LIKE") return liked(op != "LIKE", value(left), value(right));
    if (op == "IS" || op == "IS NOT") check_is(right);
    for (const char* known : {"=", "<>", "<", "<=", ">", ">=", "IS", "IS NOT"})
      if (op == known) return compared(op, value(left), value(right));
    for (const char* known : {"+", "-", "*", "/", "%"})
      if (op == known) return arithmetic(op, inner(left), inner(right));
    if (op == "||") {
      const Term one = inner(left), other = inner(right);
      if (one.kind != TermKind::text || other.kind != TermKind::text)
        throw Untranslated("|| of something that is no text");
      return text_term(fmt::format("({} || {})", one.sql, other.sql));
    }
    throw Untranslated("operator " + op);
  }

  // IS TRUE is an operator of its own there.
  static void check_is(const Expression& right) {
    if (right.kind == Kind::name && !right.double_quoted &&
        (sqlite::same_name(right.text, "true") || sqlite::same_name(right.text, "false")))
      throw Untranslated("IS TRUE");
  }

  Term in(const Expression& from) {
    const Term left = value(from.operands[0]);
    std::string any;
    for (std::size_t i = 1; i < from.operands.size(); ++i) {
      Term one = value(from.operands[i]);
      if (one.affinity != TermAffinity::literal || one.explicit_collation)
        throw Untranslated("IN with something else than constants");
      any += fmt::format("{}{}", any.empty() ? "" : " OR ", compared("=", left, one).sql);
    }
    if (any.empty()) throw Untranslated("an empty IN");
    const bool negated = from.text != "IN";
    return truth_term(fmt::format("{}({}){}", negated ? "(NOT " : "", any, negated ? ")" : ""));
  }

  Term between(const Expression& from) {
    const Term of = value(from.operands[0]);
    const std::string low = compared(">=", of, value(from.operands[1])).sql;
    const std::string high = compared("<=", of, value(from.operands[2])).sql;
    const bool negated = from.text != "BETWEEN";
    return truth_term(
        fmt::format("{}({} AND {}){}", negated ? "(NOT " : "", low, high, negated ? ")" : ""));
  }

  Term collated(const Expression& from) {
    Term term = value(from.operands[0]);
    static_cast<void>(folded("", from.text));  // refuses what it does not know
    term.collation = from.text;
    term.has_collation = term.explicit_collation = true;
    return term;
  }

  Term call(const Expression& from) {
    if (from.text == "json_valid" && from.operands.size() == 1)
      if (const auto json = json_column(from.operands[0]))
        return truth_term(fmt::format("({} IS NOT NULL OR NULL)", *json));
    std::vector<Term> arguments;
    for (const Expression& argument : from.operands) arguments.push_back(inner(argument));
    return called(from.text, arguments);
  }

  Term case_when(const Expression& from) {
    std::string sql = "(CASE";
    std::optional<Term> all;
    const auto take = [&](const Expression& expression) {
      Term one = inner(expression);
      if (one.kind == TermKind::boolean) {
        one.sql = number_sql(one);
        one.kind = TermKind::integer;
      }
      if (!all) {
        all = one;
      } else {
        if (all->kind != one.kind) throw Untranslated("CASE with values of different types");
        all->low = std::min(all->low, one.low);
        all->high = std::max(all->high, one.high);
      }
      return one.sql;
    };
    const std::vector<Expression>& parts = from.operands;
    for (std::size_t i = 0; i + 1 < parts.size(); i += 2) {
      const std::string condition = truth(parts[i]);
      sql += fmt::format(" WHEN {} THEN {}", condition, take(parts[i + 1]));
    }
    if (parts.size() % 2 == 1) sql += " ELSE " + take(parts.back());
    Term result{sql + " END)", all->kind};
    result.low = all->low;
    result.high = all->high;
    return result;
  }

  const TablePlan& plan_;
  std::vector<std::size_t> columns_;
};

template <class Make>
Translation translated(const TablePlan& plan, std::string_view sql, Make make) {
  const auto tree = sqlite::read_expression(sql);
  if (!tree) return {{}, "it is not understood", {}};
  Translator translator(plan);
  try {
    std::string text = make(translator, *tree);
    return {std::move(text), {}, translator.columns()};
  } catch (const Untranslated& reason) {
    return {{}, reason.what(), {}};
  }
}

// An index compares in the database's collation unless told otherwise. Where only bytes are
// compared for equality that does not matter; folded texts are all in "C".
std::string term_sql(const Term& term, const std::string& collation) {
  if (term.kind != TermKind::text || collation == "BINARY") return fmt::format("({})", term.sql);
  return fmt::format(R"(({}) COLLATE "C")", folded(term.sql, collation));
}

}  // namespace

Term translate_value(const TablePlan& plan, const Expression& tree,
                     std::vector<std::size_t>& columns) {
  Translator translator(plan);
  Term term = translator.value(tree);
  columns = translator.columns();
  return term;
}

Translation translate_condition(const TablePlan& plan, std::string_view sql) {
  return translated(plan, sql, [](Translator& translator, const Expression& tree) {
    return translator.truth(tree);
  });
}

Translation translate_term(const TablePlan& plan, std::string_view sql,
                           const std::string& collation) {
  return translated(plan, sql, [&](Translator& translator, const Expression& tree) {
    return term_sql(translator.value(tree), collation);
  });
}

Translation column_term(const TablePlan& plan, std::size_t column, const std::string& collation) {
  const std::string name = postgres::quoted(plan.target_column(column));
  if (plan.is_converted(column) && collation != "BINARY")
    return {{}, "a rule changes its values, and SQLite compares them by " + collation, {}};
  if (plan.types[column] != ColumnType::text || collation == "BINARY") return {name, {}, {column}};
  try {
    return {fmt::format(R"(({}) COLLATE "C")", folded(name, collation)), {}, {column}};
  } catch (const Untranslated& reason) {
    return {{}, reason.what(), {}};
  }
}

}  // namespace lockstep::apply
