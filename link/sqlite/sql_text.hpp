// Reads the few places of CREATE TABLE and CREATE INDEX that no PRAGMA tells. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep::sqlite {

struct SqlToken {
  enum class Kind {
    word,         ///< a keyword or a bare name
    quoted_name,  ///< ".." [..] `..`: a name, or a string where SQLite finds no such name
    string,       ///< '..'
    blob,         ///< x'..'
    number,
    symbol,  ///< one character
  };
  Kind kind = Kind::symbol;
  std::string_view text;  ///< with its quotes; a view into the SQL
};

/// Splits SQL as SQLite's tokenizer does; blanks and comments are left out. Views into `sql`.
[[nodiscard]] std::vector<SqlToken> tokens_of(std::string_view sql);

/// True for a bare word, whatever its case. `upper` is in capitals.
[[nodiscard]] bool is_word(const SqlToken& token, std::string_view upper);

/// The name or string inside quotes; words as they are.
[[nodiscard]] std::string unquoted(const SqlToken& token);

/// What CREATE INDEX says, verbatim but without comments around it.
struct IndexText {
  std::vector<std::string> terms;  ///< without ASC and DESC; COLLATE stays
  std::string where;               ///< empty: not partial
};
[[nodiscard]] IndexText read_index_text(std::string_view create_index);

/// The expression of a generated column; empty if the column has none.
[[nodiscard]] std::string generated_expression(std::string_view create_table,
                                               std::string_view column);

struct CheckText {
  std::string name;  ///< empty: none was given
  std::string expression;
};
/// The CHECK constraints of a table and its columns, in order.
[[nodiscard]] std::vector<CheckText> read_checks(std::string_view create_table);

struct KeyText {
  enum class Kind { primary, unique, foreign };
  Kind kind = Kind::unique;
  std::string name;                  ///< empty: none was given
  std::vector<std::string> columns;  ///< as they are written there
};
/// PRIMARY KEY, UNIQUE and FOREIGN KEY of a table and its columns, in order: no PRAGMA tells names.
[[nodiscard]] std::vector<KeyText> read_keys(std::string_view create_table);

/// Of each foreign key, in order: is it DEFERRABLE INITIALLY DEFERRED? No PRAGMA tells.
[[nodiscard]] std::vector<bool> read_deferred(std::string_view create_table);

/// True if the names are one name to SQLite: ASCII letters compare without case.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b);

}  // namespace lockstep::sqlite
