#include "link/sqlite/sql_text.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace lockstep::sqlite {

namespace {

using Kind = SqlToken::Kind;
using Tokens = std::vector<SqlToken>;

// ASCII only, as SQLite: the C library's answers depend on a locale.
char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool starts_word(char c) {
  return (upper(c) >= 'A' && upper(c) <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_word_char(char c) {
  return starts_word(c) || is_digit(c) || c == '$';
}
bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// One past the closing quote that belongs to the quote at `at`; a doubled quote is one inside.
std::size_t quote_end(std::string_view sql, std::size_t at) {
  const char close = sql[at] == '[' ? ']' : sql[at];
  for (std::size_t end = at + 1; end < sql.size(); ++end) {
    if (sql[end] != close) continue;
    const bool doubled = close != ']' && end + 1 < sql.size() && sql[end + 1] == close;
    if (!doubled) return end + 1;
    ++end;
  }
  return sql.size();
}

std::size_t number_end(std::string_view sql, std::size_t at) {
  std::size_t end = at;
  while (end < sql.size() && (is_word_char(sql[end]) || sql[end] == '.')) {
    const bool hex = end > at && upper(sql[at + 1]) == 'X';
    const bool exponent = !hex && upper(sql[end]) == 'E' && end + 2 < sql.size() &&
                          (sql[end + 1] == '+' || sql[end + 1] == '-') && is_digit(sql[end + 2]);
    end += exponent ? 2 : 1;
  }
  return end;
}

// One past blanks and comments.
std::size_t skip_blanks(std::string_view sql, std::size_t at) {
  while (at < sql.size()) {
    if (is_blank(sql[at])) {
      ++at;
    } else if (sql.substr(at, 2) == "--") {
      at = std::min(sql.find('\n', at), sql.size());
    } else if (sql.substr(at, 2) == "/*") {
      const std::size_t end = sql.find("*/", at + 2);
      at = end == std::string_view::npos ? sql.size() : end + 2;
    } else {
      return at;
    }
  }
  return at;
}

SqlToken token_at(std::string_view sql, std::size_t at) {
  const char c = sql[at];
  const auto token = [&](Kind kind, std::size_t end) {
    return SqlToken{kind, sql.substr(at, end - at)};
  };
  if (c == '\'') return token(Kind::string, quote_end(sql, at));
  if (c == '"' || c == '[' || c == '`') return token(Kind::quoted_name, quote_end(sql, at));
  if (upper(c) == 'X' && at + 1 < sql.size() && sql[at + 1] == '\'')
    return token(Kind::blob, quote_end(sql, at + 1));
  if (is_digit(c) || (c == '.' && at + 1 < sql.size() && is_digit(sql[at + 1])))
    return token(Kind::number, number_end(sql, at));
  if (!starts_word(c)) return token(Kind::symbol, at + 1);
  std::size_t end = at;
  while (end < sql.size() && is_word_char(sql[end])) ++end;
  return token(Kind::word, end);
}

bool is_symbol(const SqlToken& token, char c) {
  return token.kind == Kind::symbol && token.text.front() == c;
}

// The text from token `first` up to token `end`, which is not in it.
std::string text_of(const Tokens& tokens, std::size_t first, std::size_t end) {
  if (first >= end) return {};
  const char* start = tokens[first].text.data();
  const std::string_view last = tokens[end - 1].text;
  return {start, static_cast<std::size_t>(last.data() + last.size() - start)};
}

// Where the parenthesis at `open` closes; the end if it does not.
std::size_t closing(const Tokens& tokens, std::size_t open) {
  std::size_t depth = 0;
  for (std::size_t at = open; at < tokens.size(); ++at) {
    if (is_symbol(tokens[at], '(')) ++depth;
    if (is_symbol(tokens[at], ')') && --depth == 0) return at;
  }
  return tokens.size();
}

std::size_t find_symbol(const Tokens& tokens, char c, std::size_t from) {
  while (from < tokens.size() && !is_symbol(tokens[from], c)) ++from;
  return from;
}

struct Range {
  std::size_t first = 0, end = 0;  // token numbers
};

// What the commas between `open` and `close` part, commas in parentheses aside.
std::vector<Range> parts(const Tokens& tokens, std::size_t open, std::size_t close) {
  std::vector<Range> found;
  std::size_t first = open + 1;
  for (std::size_t at = first; at < close; ++at) {
    if (is_symbol(tokens[at], '(')) {
      at = std::min(closing(tokens, at), close);
    } else if (is_symbol(tokens[at], ',')) {
      found.push_back({first, at});
      first = at + 1;
    }
  }
  found.push_back({first, close});
  return found;
}

// `desc` can be a column's name as well: then it is the whole term, or an operator stands before
// it.
bool ends_in_direction(const Tokens& tokens, const Range& term) {
  if (term.end - term.first < 2) return false;
  const SqlToken& last = tokens[term.end - 1];
  if (!is_word(last, "ASC") && !is_word(last, "DESC")) return false;
  const SqlToken& before = tokens[term.end - 2];
  return before.kind != Kind::symbol || is_symbol(before, ')');
}

// What a key constraint begins with; a foreign key of a column with REFERENCES.
std::optional<KeyText::Kind> key_kind(const Tokens& tokens, std::size_t at, std::size_t end) {
  if (is_word(tokens[at], "UNIQUE")) return KeyText::Kind::unique;
  if (is_word(tokens[at], "REFERENCES")) return KeyText::Kind::foreign;
  if (at + 1 >= end || !is_word(tokens[at + 1], "KEY")) return std::nullopt;
  if (is_word(tokens[at], "PRIMARY")) return KeyText::Kind::primary;
  if (is_word(tokens[at], "FOREIGN")) return KeyText::Kind::foreign;
  return std::nullopt;
}

// Those in the parentheses after it; else the column in whose definition it stands.
std::vector<std::string> key_columns(const Tokens& tokens, std::size_t at, std::size_t end,
                                     const std::string& column) {
  const std::size_t open = at + (is_word(tokens[at], "UNIQUE") ? 1 : 2);
  if (is_word(tokens[at], "REFERENCES") || open >= end || !is_symbol(tokens[open], '('))
    return {column};
  std::vector<std::string> columns;
  for (const Range& term : parts(tokens, open, closing(tokens, open)))
    if (term.first < term.end) columns.push_back(unquoted(tokens[term.first]));
  return columns;
}

}  // namespace

std::vector<SqlToken> tokens_of(std::string_view sql) {
  Tokens tokens;
  std::size_t at = skip_blanks(sql, 0);
  while (at < sql.size()) {
    tokens.push_back(token_at(sql, at));
    at = skip_blanks(sql, at + tokens.back().text.size());
  }
  return tokens;
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return upper(x) == upper(y); });
}

bool is_word(const SqlToken& token, std::string_view upper_case) {
  return token.kind == Kind::word && same_name(token.text, upper_case);
}

std::string unquoted(const SqlToken& token) {
  const std::string_view text = token.text;
  if ((token.kind != Kind::quoted_name && token.kind != Kind::string) || text.size() < 2)
    return std::string(text);
  std::string out;
  for (std::size_t at = 1; at + 1 < text.size(); ++at) {
    out += text[at];
    if (text[at] == text.back() && text[at] != ']') ++at;  // the second of a doubled quote
  }
  return out;
}

IndexText read_index_text(std::string_view create_index) {
  const Tokens tokens = tokens_of(create_index);
  IndexText index;
  std::size_t at = 0;
  while (at < tokens.size() && !is_word(tokens[at], "ON")) ++at;
  const std::size_t open = find_symbol(tokens, '(', at);
  const std::size_t close = closing(tokens, open);
  if (close >= tokens.size()) return index;
  for (Range term : parts(tokens, open, close)) {
    if (ends_in_direction(tokens, term)) --term.end;
    index.terms.push_back(text_of(tokens, term.first, term.end));
  }
  if (close + 1 < tokens.size() && is_word(tokens[close + 1], "WHERE"))
    index.where = text_of(tokens, close + 2, tokens.size());
  return index;
}

std::string generated_expression(std::string_view create_table, std::string_view column) {
  const Tokens tokens = tokens_of(create_table);
  const std::size_t open = find_symbol(tokens, '(', 0);
  const std::size_t close = closing(tokens, open);
  if (close >= tokens.size()) return {};
  for (const Range& definition : parts(tokens, open, close)) {
    if (definition.first >= definition.end) continue;
    if (!same_name(unquoted(tokens[definition.first]), column)) continue;
    for (std::size_t at = definition.first + 1; at + 1 < definition.end; ++at) {
      if (is_symbol(tokens[at], '(')) {
        at = closing(tokens, at);
      } else if (is_word(tokens[at], "AS") && is_symbol(tokens[at + 1], '(')) {
        const std::size_t end = closing(tokens, at + 1);
        return text_of(tokens, at + 2, end);
      }
    }
  }
  return {};
}

std::vector<CheckText> read_checks(std::string_view create_table) {
  const Tokens tokens = tokens_of(create_table);
  const std::size_t open = find_symbol(tokens, '(', 0);
  const std::size_t close = closing(tokens, open);
  std::vector<CheckText> checks;
  std::string name;
  for (std::size_t at = open + 1; at < close && close < tokens.size(); ++at) {
    if (is_symbol(tokens[at], ',')) name.clear();
    if (is_word(tokens[at], "CONSTRAINT")) name = unquoted(tokens[++at]);
    if (!is_symbol(tokens[at], '(')) continue;
    const std::size_t end = closing(tokens, at);
    if (is_word(tokens[at - 1], "CHECK")) checks.push_back({name, text_of(tokens, at + 1, end)});
    name.clear();
    at = end;
  }
  return checks;
}

std::vector<KeyText> read_keys(std::string_view create_table) {
  const Tokens tokens = tokens_of(create_table);
  const std::size_t open = find_symbol(tokens, '(', 0);
  const std::size_t close = closing(tokens, open);
  std::vector<KeyText> keys;
  if (close >= tokens.size()) return keys;
  for (const Range& definition : parts(tokens, open, close)) {
    if (definition.first >= definition.end) continue;
    const std::string column = unquoted(tokens[definition.first]);
    std::string name;
    bool in_foreign_key = false;
    for (std::size_t at = definition.first; at < definition.end; ++at) {
      if (is_symbol(tokens[at], '(')) at = closing(tokens, at);
      if (at >= definition.end || tokens[at].kind != Kind::word) continue;
      if (is_word(tokens[at], "CONSTRAINT") && at + 1 < definition.end) {
        name = unquoted(tokens[++at]);
        continue;
      }
      const auto kind = key_kind(tokens, at, definition.end);
      const bool continues = in_foreign_key && kind == KeyText::Kind::foreign;
      if (kind && !continues)
        keys.push_back({*kind, name, key_columns(tokens, at, definition.end, column)});
      in_foreign_key = is_word(tokens[at], "FOREIGN") || (in_foreign_key && !continues);
      if (!is_word(tokens[at], "KEY")) name.clear();
    }
  }
  return keys;
}

std::vector<bool> read_deferred(std::string_view create_table) {
  const Tokens tokens = tokens_of(create_table);
  std::vector<bool> deferred;
  for (std::size_t at = 0; at < tokens.size(); ++at) {
    if (is_word(tokens[at], "REFERENCES")) deferred.push_back(false);
    if (at + 2 >= tokens.size() || deferred.empty() || !is_word(tokens[at], "DEFERRABLE")) continue;
    if (!is_word(tokens[at - 1], "NOT") && is_word(tokens[at + 1], "INITIALLY") &&
        is_word(tokens[at + 2], "DEFERRED"))
      deferred.back() = true;
  }
  return deferred;
}

}  // namespace lockstep::sqlite
