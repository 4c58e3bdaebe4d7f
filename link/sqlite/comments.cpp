#include "link/sqlite/comments.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "link/sqlite/sql_text.hpp"

namespace lockstep::sqlite {

namespace {

using Kind = SqlToken::Kind;

constexpr std::string_view kSqlBlanks = " \t\n\v\f\r";

// Where it stands in the SQL, and what it says.
struct Found {
  std::size_t at = 0;
  std::string text;
};

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSqlBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSqlBlanks) - first + 1);
}

// Each line without blanks around it, and without the star that many put before it.
std::string block_text(std::string_view inside) {
  std::string text;
  while (!inside.empty()) {
    const std::size_t end = std::min(inside.find('\n'), inside.size());
    std::string_view line = trimmed(inside.substr(0, end));
    inside.remove_prefix(std::min(end + 1, inside.size()));
    while (line.starts_with('*')) line = trimmed(line.substr(1));
    if (!line.empty()) text.append(text.empty() ? "" : "\n").append(line);
  }
  return text;
}

// Between two tokens there are blanks and comments only.
void comments_between(std::string_view sql, std::size_t from, std::size_t until,
                      std::vector<Found>& found) {
  for (std::size_t at = from; at + 1 < until;) {
    if (sql.substr(at, 2) == "--") {
      const std::size_t end = std::min(sql.find('\n', at), until);
      std::string_view inside = sql.substr(at, end - at);
      inside.remove_prefix(std::min(inside.find_first_not_of('-'), inside.size()));
      found.push_back({at, std::string(trimmed(inside))});
      at = end;
    } else if (sql.substr(at, 2) == "/*") {
      const std::size_t end = std::min(sql.find("*/", at + 2), until);
      found.push_back({at, block_text(sql.substr(at + 2, end - at - 2))});
      at = std::min(end + 2, until);
    } else {
      ++at;
    }
  }
}

bool is_symbol(const SqlToken& token, char c) {
  return token.kind == Kind::symbol && token.text.front() == c;
}

// The column that is defined from this token on; nothing: a constraint of the table.
std::optional<std::string> column_at(const SqlToken& token) {
  for (const char* word : {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
    if (is_word(token, word)) return std::nullopt;
  return unquoted(token);
}

void add(std::vector<Comment>& all, const std::string& column, const std::string& text) {
  if (text.empty()) return;
  const auto known = std::find_if(all.begin(), all.end(),
                                  [&](const Comment& one) { return one.column == column; });
  if (known != all.end())
    known->text += "\n" + text;
  else
    all.push_back({column, text});
}

}  // namespace

std::vector<Comment> read_comments(std::string_view create_table) {
  const std::vector<SqlToken> tokens = tokens_of(create_table);
  const auto start = [&](const SqlToken& token) {
    return static_cast<std::size_t>(token.text.data() - create_table.data());
  };
  std::vector<Comment> all;
  std::optional<std::string> column;  // whose definition we are in
  int depth = 0;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    const SqlToken& token = tokens[i];
    const SqlToken& next = tokens[i + 1];
    if (is_symbol(token, '(')) ++depth;
    if (is_symbol(token, ')') && --depth == 0) return all;
    const bool opens = depth == 1 && is_symbol(token, '(');
    const bool before_definition = depth == 1 && (opens || is_symbol(token, ','));
    const std::size_t end = start(token) + token.text.size();
    std::vector<Found> found;
    comments_between(create_table, end, start(next), found);
    const std::optional<std::string> follows = before_definition ? column_at(next) : column;
    for (const Found& one : found) {
      const bool same_line =
          create_table.substr(end, one.at - end).find('\n') == std::string_view::npos;
      if (depth == 0 || (opens && same_line))
        add(all, "", one.text);
      else if (depth > 1 || (!same_line && is_symbol(next, ')')))
        continue;
      else if (const auto& owner = same_line ? column : follows)
        add(all, *owner, one.text);
    }
    if (before_definition) column = follows;
  }
  return all;
}

}  // namespace lockstep::sqlite
