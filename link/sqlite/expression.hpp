// Reads SQLite's expressions (of CHECK, DEFAULT, indexes) into a tree. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::sqlite {

/// One node. `operands` by kind: unary 1; binary 2; in, call: all; between 3; case_when: condition
/// and value by turns, then the value of ELSE if there is one.
struct Expression {
  enum class Kind {
    null,
    integer,    ///< text: decimal or 0x.. digits
    real,       ///< text: as written
    string,     ///< text: without its quotes
    blob,       ///< text: the hex digits
    name,       ///< text: without its quotes; a column, or what SQLite makes of an unknown name
    unary,      ///< text: NOT, -, +, ~
    binary,     ///< text: OR AND = <> IS "IS NOT" LIKE "NOT LIKE" < <= > >= + - * / % || and others
    in,         ///< the first operand in the others; text: IN or "NOT IN"
    between,    ///< text: BETWEEN or "NOT BETWEEN"
    is_null,    ///< text: "IS NULL" or "IS NOT NULL"
    collate,    ///< text: the collation in capitals if it is SQLite's own
    call,       ///< text: the function's name in lower case
    case_when,  ///< CASE without a value after it
  };
  Kind kind = Kind::null;
  std::string text{};
  std::vector<Expression> operands{};
  bool double_quoted =
      false;                ///< of a name: SQLite takes it for a string if there is no such column
  std::string qualifier{};  ///< of a name: the table before its point
};

/// Empty if the text is none, or has what is not read here: CAST, subqueries, parameters, row
/// values, windows, or more than 100 levels.
[[nodiscard]] std::optional<Expression> read_expression(std::string_view sql);

}  // namespace lockstep::sqlite
