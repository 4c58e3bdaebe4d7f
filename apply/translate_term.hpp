// What the translator knows of a part of an expression. Private to translate*.cpp and computed.cpp.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "link/sqlite/expression.hpp"
#include "model/shape.hpp"

namespace lockstep::apply {

__extension__ typedef __int128 Wide;

// What a value can be beside NULL; one storage class each, but for numeric.
enum class TermKind { boolean, integer, real, numeric, text, bytea };

// SQLite converts one side of a comparison by the affinity of the other.
enum class TermAffinity { literal, none, text, number };

struct Term {
  std::string sql{};
  TermKind kind = TermKind::boolean;
  TermAffinity affinity = TermAffinity::none;
  std::string collation = "BINARY";
  bool has_collation = false;       // a column's, or said with COLLATE
  bool explicit_collation = false;  // said with COLLATE
  std::string literal{};            // of a literal: its text
  // Of integers: what they can be. Wider than bigint: SQLite would go on in reals there.
  Wide low = 0, high = 0;
};

// Inside of these only: ends it with the reason.
struct Untranslated : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[nodiscard]] bool is_whole(const Term& term);  // boolean or integer
// As it has to be spelled where PostgreSQL wants a number.
[[nodiscard]] std::string number_sql(const Term& term);
// Text as its collation compares it, spelled so that PostgreSQL's "C" compares it the same.
[[nodiscard]] std::string folded(const std::string& sql, const std::string& collation);
[[nodiscard]] Term whole_term(std::string sql, Wide low, Wide high);
[[nodiscard]] Term text_term(std::string sql);

// The value of an expression over a row of the table; `columns` gets those that it names. Throws
// Untranslated.
[[nodiscard]] Term translate_value(const TablePlan& plan, const sqlite::Expression& tree,
                                   std::vector<std::size_t>& columns);

// `op` is = <> < <= > >= IS "IS NOT".
[[nodiscard]] Term compared(const std::string& op, const Term& left, const Term& right);
[[nodiscard]] Term arithmetic(const std::string& op, const Term& left, const Term& right);
[[nodiscard]] Term called(const std::string& name, const std::vector<Term>& arguments);
[[nodiscard]] Term liked(bool negated, const Term& text, const Term& pattern);

}  // namespace lockstep::apply
