// What people wrote beside the columns of CREATE TABLE. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep::sqlite {

struct Comment {
  std::string column;  ///< as in CREATE TABLE, without quotes; empty: of the table
  std::string text;    ///< without its marks; several are one, a line each; any bytes
};

/// A comment belongs to the column on whose line, or in whose definition, it begins; alone on its
/// line before a definition, to that one; in the head, up to the line of the first parenthesis, to
/// the table. Comments of constraints, inside parentheses and behind the last definition belong to
/// nothing. In order, one per column.
[[nodiscard]] std::vector<Comment> read_comments(std::string_view create_table);

}  // namespace lockstep::sqlite
