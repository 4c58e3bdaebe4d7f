#include "apply/computed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "apply/translate_term.hpp"
#include "link/sqlite/sql_text.hpp"
#include "model/error.hpp"

namespace lockstep::apply {

namespace {

using sqlite::Expression;
using Kind = Expression::Kind;

// An application may have its own; what is stored was computed by these.
bool may_be_replaced(const std::string& function) {
  return function == "lower" || function == "upper" || function == "like";
}

bool names_something(const Expression& tree) {
  return tree.kind == Kind::name ||
         std::any_of(tree.operands.begin(), tree.operands.end(), names_something);
}

bool is_chosen_by_first(const Expression& tree) {
  return tree.kind == Kind::case_when ||
         (tree.kind == Kind::call && (tree.text == "coalesce" || tree.text == "ifnull"));
}

// PostgreSQL computes constant parts when it takes the expression, and of texts it cannot: the
// collation is not known yet.
void refuse_constants(const Expression& tree) {
  const bool plain =
      tree.operands.empty() || tree.kind == Kind::unary || tree.kind == Kind::collate;
  if (!plain && !names_something(tree)) throw Untranslated("a part of it is constant");
  if (is_chosen_by_first(tree) && !tree.operands.empty() && !names_something(tree.operands[0]))
    throw Untranslated("a part of it is constant");
  for (const Expression& operand : tree.operands) refuse_constants(operand);
}

// LIKE hangs on a PRAGMA of the connection that wrote the row.
void refuse_moody(const Expression& tree, Generated generated) {
  if (tree.kind == Kind::binary && (tree.text == "LIKE" || tree.text == "NOT LIKE"))
    throw Untranslated("LIKE");
  if (tree.kind == Kind::call && generated == Generated::stored && may_be_replaced(tree.text))
    throw Untranslated(fmt::format("{} in a stored column", tree.text));
  for (const Expression& operand : tree.operands) refuse_moody(operand, generated);
}

// SQLite converts the value by the column's affinity. `term` has to be what is left behind it, and
// just what the column's type holds.
std::string assigned(const Term& term, ColumnType type, Affinity affinity) {
  if (type == ColumnType::text && term.kind == TermKind::text &&
      (affinity == Affinity::text || affinity == Affinity::blob))
    return term.sql;
  if (type == ColumnType::bytea && term.kind == TermKind::bytea) return term.sql;
  const bool whole = is_whole(term) && affinity != Affinity::text && affinity != Affinity::real;
  if (type == ColumnType::bigint && whole && term.low >= std::numeric_limits<std::int64_t>::min() &&
      term.high <= std::numeric_limits<std::int64_t>::max())
    return number_sql(term);
  throw Untranslated(fmt::format("as {}", to_string(type)));
}

std::string translated(const TablePlan& plan, std::size_t column, const std::string& expression) {
  const Column& own = plan.shape.columns[column];
  if (plan.is_key(column)) throw Untranslated("it is part of the key");
  if (plan.is_converted(column)) throw Untranslated("a rule changes its values");
  const auto tree = sqlite::read_expression(expression);
  if (!tree) throw Untranslated("it is not understood");
  refuse_moody(*tree, own.generated);
  refuse_constants(*tree);
  std::vector<std::size_t> named;
  const Term term = translate_value(plan, *tree, named);
  if (std::any_of(named.begin(), named.end(), [&](std::size_t each) {
        return plan.shape.columns[each].generated != Generated::no;
      }))
    throw Untranslated("it names another generated column");
  return assigned(term, plan.types[column], own.affinity);
}

}  // namespace

std::vector<std::string> decide_computed(TablePlan& plan) {
  std::vector<std::string> plain;
  if (plan.existing) return plain;
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i) {
    Column& column = plan.shape.columns[i];
    if (column.generated == Generated::no) continue;
    const std::string expression = sqlite::generated_expression(plan.shape.sql, column.name);
    try {
      // A row with an odd value waits aside; its value would not be compared with anything.
      if (plan.on_bad_value_of(i) == OnBadValue::quarantine)
        throw Untranslated("of its on_bad_value");
      static_cast<void>(translated(plan, i, expression));
      column.computed_as = expression;
    } catch (const Untranslated& reason) {
      plain.push_back(
          fmt::format("generated column {}: its values are carried, PostgreSQL does not compute "
                      "them: not translated: {}",
                      column.name, reason.what()));
    }
  }
  return plain;
}

std::string computed_sql(const TablePlan& plan, std::size_t column) {
  const Column& own = plan.shape.columns[column];
  if (own.computed_as.empty()) return {};
  try {
    return translated(plan, column, own.computed_as);
  } catch (const Untranslated& reason) {
    throw Error(
        {.code = "LS-R703",
         .exit = ExitCode::precondition,
         .what =
             fmt::format("generated column {} of {} cannot be translated", own.name, plan.name()),
         .why = fmt::format("{}; another version of lockstep decided that it can", reason.what()),
         .data = "nothing was touched",
         .todo = "go on with that version"});
  }
}

}  // namespace lockstep::apply
