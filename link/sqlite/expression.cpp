#include "link/sqlite/expression.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "link/sqlite/sql_text.hpp"

namespace lockstep::sqlite {

namespace {

using NodeKind = Expression::Kind;
using Read = std::optional<Expression>;

constexpr int kDepthMax = 100;

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

Expression node(NodeKind kind, std::string text, std::vector<Expression> operands) {
  return {kind, std::move(text), std::move(operands), false, {}};
}

// SQLite's grammar by recursive descent, a function per level of precedence. An empty answer means
// "not read", and ends the whole.
class Parser {
 public:
  explicit Parser(std::string_view sql) : tokens_(tokens_of(sql)) {}

  Read whole() {
    Read read = disjunction();
    if (at_ != tokens_.size()) return std::nullopt;
    return read;
  }

 private:
  [[nodiscard]] bool ahead(std::string_view word, std::size_t more = 0) const {
    return at_ + more < tokens_.size() && is_word(tokens_[at_ + more], word);
  }
  bool take_word(std::string_view word) {
    if (!ahead(word)) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] bool symbol(char c, std::size_t more = 0) const {
    return at_ + more < tokens_.size() && tokens_[at_ + more].kind == SqlToken::Kind::symbol &&
           tokens_[at_ + more].text.front() == c;
  }
  bool take(char c) {
    if (!symbol(c)) return false;
    ++at_;
    return true;
  }
  // The operator ahead, of one or two characters that touch each other; empty if it is none.
  [[nodiscard]] std::string operator_ahead() const {
    if (at_ >= tokens_.size() || tokens_[at_].kind != SqlToken::Kind::symbol) return {};
    std::string text(tokens_[at_].text);
    if (at_ + 1 >= tokens_.size() || tokens_[at_ + 1].kind != SqlToken::Kind::symbol) return text;
    const std::string_view next = tokens_[at_ + 1].text;
    if (next.data() != tokens_[at_].text.data() + 1) return text;
    static constexpr std::array kDouble{"<=", ">=", "<>", "!=", "==", "||", "<<", ">>", "->"};
    const std::string both = text + std::string(next);
    const bool known = std::find(kDouble.begin(), kDouble.end(), both) != kDouble.end();
    return known ? both : text;
  }

  template <std::size_t N>
  Read chain(const std::array<std::string_view, N>& operators, Read (Parser::*next)()) {
    Read left = (this->*next)();
    while (left) {
      const std::string found = operator_ahead();
      if (std::find(operators.begin(), operators.end(), found) == operators.end()) return left;
      at_ += found.size();
      Read right = (this->*next)();
      if (!right) return std::nullopt;
      left = node(NodeKind::binary, found, {std::move(*left), std::move(*right)});
    }
    return left;
  }

  Read words(std::string_view word, Read (Parser::*next)()) {
    Read left = (this->*next)();
    while (left && take_word(word)) {
      Read right = (this->*next)();
      if (!right) return std::nullopt;
      left = node(NodeKind::binary, std::string(word), {std::move(*left), std::move(*right)});
    }
    return left;
  }

  Read disjunction() {
    if (++depth_ > kDepthMax) return std::nullopt;
    Read read = words("OR", &Parser::conjunction);
    --depth_;
    return read;
  }
  Read conjunction() { return words("AND", &Parser::negation); }
  Read negation() {
    if (!ahead("NOT")) return equality();
    ++at_;
    if (++depth_ > kDepthMax) return std::nullopt;
    Read read = negation();
    --depth_;
    if (!read) return std::nullopt;
    return node(NodeKind::unary, "NOT", {std::move(*read)});
  }

  Read equality() {
    Read left = comparison();
    while (left) {
      const std::string found = operator_ahead();
      if (found == "=" || found == "==" || found == "<>" || found == "!=") {
        at_ += found.size();
        Read right = comparison();
        if (!right) return std::nullopt;
        left = node(NodeKind::binary, found.front() == '=' ? "=" : "<>",
                    {std::move(*left), std::move(*right)});
        continue;
      }
      const std::size_t before = at_;
      left = predicate(std::move(*left));
      if (at_ == before) return left;
    }
    return left;
  }

  // IS, IN, BETWEEN, LIKE, ISNULL, NOTNULL, NOT NULL after `left`; without one of them `left`.
  Read predicate(Expression left) {
    if (take_word("ISNULL")) return node(NodeKind::is_null, "IS NULL", {std::move(left)});
    if (take_word("NOTNULL")) return node(NodeKind::is_null, "IS NOT NULL", {std::move(left)});
    if (take_word("IS")) return is(std::move(left));
    const bool negated = ahead("NOT");
    const std::size_t word = negated ? 1 : 0;
    const std::string prefix = negated ? "NOT " : "";
    if (negated && ahead("NULL", 1)) {
      at_ += 2;
      return node(NodeKind::is_null, "IS NOT NULL", {std::move(left)});
    }
    if (ahead("IN", word)) {
      at_ += word + 1;
      return in(std::move(left), prefix + "IN");
    }
    if (ahead("BETWEEN", word)) {
      at_ += word + 1;
      return between(std::move(left), prefix + "BETWEEN");
    }
    for (const std::string_view like : {"LIKE", "GLOB", "REGEXP", "MATCH"}) {
      if (!ahead(like, word)) continue;
      at_ += word + 1;
      Read pattern = comparison();
      if (!pattern || ahead("ESCAPE")) return std::nullopt;
      return node(NodeKind::binary, prefix + std::string(like),
                  {std::move(left), std::move(*pattern)});
    }
    if (negated) return std::nullopt;
    return left;
  }

  Read is(Expression left) {
    const bool negated = take_word("NOT");
    if (ahead("DISTINCT")) return std::nullopt;
    Read right = comparison();
    if (!right) return std::nullopt;
    if (right->kind == NodeKind::null)
      return node(NodeKind::is_null, negated ? "IS NOT NULL" : "IS NULL", {std::move(left)});
    return node(NodeKind::binary, negated ? "IS NOT" : "IS", {std::move(left), std::move(*right)});
  }

  Read in(Expression left, std::string text) {
    if (!take('(')) return std::nullopt;
    std::vector<Expression> operands;
    operands.push_back(std::move(left));
    while (!take(')')) {
      if (operands.size() > 1 && !take(',')) return std::nullopt;
      Read one = disjunction();
      if (!one) return std::nullopt;
      operands.push_back(std::move(*one));
    }
    return node(NodeKind::in, std::move(text), std::move(operands));
  }

  Read between(Expression left, std::string text) {
    Read low = comparison();
    if (!low || !take_word("AND")) return std::nullopt;
    Read high = comparison();
    if (!high) return std::nullopt;
    return node(NodeKind::between, std::move(text),
                {std::move(left), std::move(*low), std::move(*high)});
  }

  Read comparison() {
    return chain(std::array<std::string_view, 4>{"<", "<=", ">", ">="}, &Parser::bits);
  }
  Read bits() { return chain(std::array<std::string_view, 4>{"&", "|", "<<", ">>"}, &Parser::sum); }
  Read sum() { return chain(std::array<std::string_view, 2>{"+", "-"}, &Parser::product); }
  Read product() { return chain(std::array<std::string_view, 3>{"*", "/", "%"}, &Parser::joined); }
  Read joined() { return chain(std::array<std::string_view, 2>{"||", "->"}, &Parser::sign); }

  Read sign() {
    for (const char c : {'-', '+', '~'}) {
      if (!take(c)) continue;
      if (++depth_ > kDepthMax) return std::nullopt;
      Read read = sign();
      --depth_;
      if (!read) return std::nullopt;
      return node(NodeKind::unary, std::string(1, c), {std::move(*read)});
    }
    Read read = primary();
    while (read && take_word("COLLATE")) {
      if (at_ >= tokens_.size()) return std::nullopt;
      std::string name = unquoted(tokens_[at_++]);
      for (const std::string_view own : {"BINARY", "NOCASE", "RTRIM"})
        if (same_name(name, own)) name = own;
      read = node(NodeKind::collate, std::move(name), {std::move(*read)});
    }
    return read;
  }

  Read primary() {
    if (at_ >= tokens_.size()) return std::nullopt;
    if (take('(')) {
      Read inner = disjunction();
      if (!inner || !take(')')) return std::nullopt;
      return inner;
    }
    const SqlToken& token = tokens_[at_];
    switch (token.kind) {
      case SqlToken::Kind::number:
        return number(tokens_[at_++]);
      case SqlToken::Kind::string:
        return node(NodeKind::string, unquoted(tokens_[at_++]), {});
      case SqlToken::Kind::blob:
        return blob(tokens_[at_++]);
      case SqlToken::Kind::symbol:
        return std::nullopt;
      case SqlToken::Kind::word:
        if (is_word(token, "NULL")) return ++at_, node(NodeKind::null, "", {});
        if (is_word(token, "CASE")) return ++at_, case_when();
        for (const std::string_view word : {"CAST", "EXISTS", "SELECT", "RAISE", "NOT"})
          if (is_word(token, word)) return std::nullopt;
        break;
      case SqlToken::Kind::quoted_name:
        break;
    }
    return name_or_call();
  }

  static Read number(const SqlToken& token) {
    const std::string text(token.text);
    if (text.find('_') != std::string::npos) return std::nullopt;
    const bool hex = text.size() > 2 && (text[1] == 'x' || text[1] == 'X');
    const bool whole = hex || text.find_first_not_of("0123456789") == std::string::npos;
    return node(whole ? NodeKind::integer : NodeKind::real, text, {});
  }

  static Read blob(const SqlToken& token) {
    if (token.text.size() < 3 || token.text.size() % 2 == 0) return std::nullopt;
    const std::string digits(token.text.substr(2, token.text.size() - 3));
    if (digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
      return std::nullopt;
    return node(NodeKind::blob, digits, {});
  }

  Read name_or_call() {
    const SqlToken& token = tokens_[at_++];
    if (take('.')) return qualified(unquoted(token));
    if (!symbol('(')) {
      Expression name = node(NodeKind::name, unquoted(token), {});
      name.double_quoted = token.text.front() == '"';
      return name;
    }
    ++at_;
    std::vector<Expression> operands;
    while (!take(')')) {
      if (!operands.empty() && !take(',')) return std::nullopt;
      Read one = disjunction();
      if (!one) return std::nullopt;
      operands.push_back(std::move(*one));
    }
    if (ahead("FILTER") || ahead("OVER")) return std::nullopt;
    return node(NodeKind::call, lower(unquoted(token)), std::move(operands));
  }

  // "posts"."score", as Drizzle writes its CHECKs.
  Read qualified(std::string table) {
    if (at_ >= tokens_.size() || symbol('.', 1)) return std::nullopt;
    const SqlToken& token = tokens_[at_++];
    if (token.kind != SqlToken::Kind::word && token.kind != SqlToken::Kind::quoted_name)
      return std::nullopt;
    Expression name = node(NodeKind::name, unquoted(token), {});
    name.qualifier = std::move(table);
    return name;
  }

  Read case_when() {
    std::vector<Expression> operands;
    while (take_word("WHEN")) {
      Read condition = disjunction();
      if (!condition || !take_word("THEN")) return std::nullopt;
      Read value = disjunction();
      if (!value) return std::nullopt;
      operands.push_back(std::move(*condition));
      operands.push_back(std::move(*value));
    }
    if (operands.empty()) return std::nullopt;
    if (take_word("ELSE")) {
      Read value = disjunction();
      if (!value) return std::nullopt;
      operands.push_back(std::move(*value));
    }
    if (!take_word("END")) return std::nullopt;
    return node(NodeKind::case_when, "CASE", std::move(operands));
  }

  std::vector<SqlToken> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::optional<Expression> read_expression(std::string_view sql) {
  return Parser(sql).whole();
}

}  // namespace lockstep::sqlite
