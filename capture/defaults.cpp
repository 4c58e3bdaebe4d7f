#include "capture/defaults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "link/sqlite/database.hpp"
#include "link/sqlite/sql_text.hpp"

namespace lockstep::capture {

namespace {

using sqlite::SqlToken;
using Kind = SqlToken::Kind;
using Tokens = std::vector<SqlToken>;

// TRUE, FALSE and NULL are values, CURRENT_TIME and the like change; any other name is a string,
// for historical reasons, with or without quotes.
std::optional<std::string> single_name(const SqlToken& token) {
  if (sqlite::is_word(token, "NULL")) return "";
  // Older SQLite does not know these words outside of a DEFAULT.
  if (sqlite::is_word(token, "TRUE")) return "1";
  if (sqlite::is_word(token, "FALSE")) return "0";
  for (const std::string_view moment : {"CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP"})
    if (sqlite::is_word(token, moment)) return std::nullopt;
  return sqlite::literal(sqlite::unquoted(token));
}

bool is_sign(const SqlToken& token) {
  return token.kind == Kind::symbol && (token.text == "-" || token.text == "+");
}

// [sign..] number; nothing else.
bool is_number(const Tokens& tokens) {
  return !tokens.empty() && tokens.back().kind == Kind::number &&
         std::all_of(tokens.begin(), tokens.end() - 1, is_sign);
}

bool is_small_integer(const SqlToken& token) {
  constexpr std::size_t kDigitsMax = 18;  // more may be a REAL already
  return token.text.size() <= kDigitsMax &&
         token.text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::optional<std::string> constant_default(std::string_view default_sql) {
  const Tokens tokens = sqlite::tokens_of(default_sql);
  if (tokens.empty()) return "";
  if (tokens.size() == 1 && (tokens[0].kind == Kind::word || tokens[0].kind == Kind::quoted_name))
    return single_name(tokens[0]);
  for (const SqlToken& token : tokens)
    if (token.kind == Kind::word || token.kind == Kind::quoted_name) return std::nullopt;
  const char* start = tokens.front().text.data();
  const char* end = tokens.back().text.data() + tokens.back().text.size();
  return std::string(start, end);
}

std::optional<std::string> typed_default(const Column& column) {
  const auto constant = constant_default(column.default_sql);
  if (!constant || constant->empty()) return std::nullopt;
  const auto with_collation = [&](const std::string& value) {
    return fmt::format("{} COLLATE {}", value, sqlite::quoted(column.collation));
  };
  if (column.affinity == Affinity::blob) return with_collation(fmt::format("({})", *constant));
  const Tokens tokens = sqlite::tokens_of(*constant);
  const bool text = tokens.size() == 1 && tokens[0].kind == Kind::string;
  const bool number = is_number(tokens);
  const bool integer = number && is_small_integer(tokens.back());
  const auto cast = [&](const char* type) {
    return with_collation(fmt::format("CAST({} AS {})", *constant, type));
  };
  if (column.affinity == Affinity::text && text) return cast("TEXT");
  if (column.affinity == Affinity::integer && integer) return cast("INTEGER");
  if (column.affinity == Affinity::numeric && integer) return cast("NUMERIC");
  if (column.affinity == Affinity::real && number) return cast("REAL");
  return std::nullopt;
}

}  // namespace lockstep::capture
