#include "capture/declared.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "link/sqlite/sql_text.hpp"

namespace lockstep::capture {

namespace {

using sqlite::CheckText;

bool is_same_check(const CheckText& a, const CheckText& b) {
  return a.name == b.name && a.expression == b.expression;
}

// Each as often as `some` has it more often than `others`.
std::vector<CheckText> more_in(const std::vector<CheckText>& some, std::vector<CheckText> others) {
  std::vector<CheckText> found;
  for (const CheckText& check : some) {
    const auto same = std::find_if(others.begin(), others.end(), [&](const CheckText& other) {
      return is_same_check(check, other);
    });
    if (same == others.end())
      found.push_back(check);
    else
      others.erase(same);
  }
  return found;
}

// Where both are known.
bool is_other(const std::string& was, const std::string& is) {
  return !was.empty() && !is.empty() && was != is;
}

std::string described(const CheckText& check) {
  return check.name.empty() ? fmt::format("CHECK ({})", check.expression)
                            : fmt::format("CONSTRAINT {} CHECK ({})", check.name, check.expression);
}

}  // namespace

std::vector<std::string> defaults_otherwise(const TableShape& before, const TableShape& now) {
  std::vector<std::string> sentences;
  for (const Column& column : before.columns) {
    const auto still = now.column_named(column.name);
    if (!still || now.columns[*still].default_sql == column.default_sql) continue;
    const std::string& given = now.columns[*still].default_sql;
    if (given.empty())
      sentences.push_back(fmt::format("DEFAULT {} of {} is gone", column.default_sql, column.name));
    else if (column.default_sql.empty())
      sentences.push_back(fmt::format("DEFAULT {} of {} is new", given, column.name));
    else
      sentences.push_back(fmt::format("DEFAULT of {} was {}, it is {} now", column.name,
                                      column.default_sql, given));
  }
  return sentences;
}

std::vector<std::string> computed_otherwise(const TableShape& before, const TableShape& now) {
  std::vector<std::string> sentences;
  for (const Column& column : before.columns) {
    if (column.generated == Generated::no || before.sql.empty()) continue;
    const std::string was = sqlite::generated_expression(before.sql, column.name);
    const std::string is = sqlite::generated_expression(now.sql, column.name);
    if (was.empty() || is.empty() || was == is) continue;
    sentences.push_back(
        fmt::format("generated column {} was ({}), it is ({}) now", column.name, was, is));
  }
  for (const Index& index : before.indexes) {
    const auto same = std::find_if(now.indexes.begin(), now.indexes.end(),
                                   [&](const Index& each) { return each.name == index.name; });
    if (index.unique || same == now.indexes.end()) continue;
    bool other = is_other(index.where_sql, same->where_sql);
    for (std::size_t i = 0; i < std::min(index.terms.size(), same->terms.size()); ++i)
      other = other || is_other(index.terms[i].expression, same->terms[i].expression);
    if (other) sentences.push_back(fmt::format("index {} was made anew otherwise", index.name));
  }
  return sentences;
}

std::vector<std::string> declared_otherwise(const TableShape& before, const TableShape& now) {
  std::vector<std::string> sentences = defaults_otherwise(before, now);
  const auto old = sqlite::read_checks(before.sql), present = sqlite::read_checks(now.sql);
  for (const CheckText& check : more_in(old, present))
    sentences.push_back(described(check) + " is gone");
  for (const CheckText& check : more_in(present, old))
    sentences.push_back(described(check) + " is new");
  return sentences;
}

TableShape with_declarations(TableShape shape, const TableShape& now) {
  shape.sql = now.sql;
  shape.checks = now.checks;
  for (Column& column : shape.columns)
    if (const auto still = now.column_named(column.name))
      column.default_sql = now.columns[*still].default_sql;
  return shape;
}

}  // namespace lockstep::capture
