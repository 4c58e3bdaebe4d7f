// The parts of dsn.hpp that decide what may be shown.
#include <algorithm>
#include <set>
#include <utility>

#include "link/postgres/dsn.hpp"
#include "link/postgres/dsn_syntax.hpp"

namespace lockstep::postgres {

namespace {

constexpr std::string_view kMask = "****";
constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::size_t kNone = std::string_view::npos;

bool is_encoded(std::string_view text, char wanted) {
  const auto code = static_cast<unsigned char>(wanted);
  return text.size() >= 3 && text[0] == '%' &&
         lower_case(text.substr(1, 2)) == std::string{kHexDigits[code / 16], kHexDigits[code % 16]};
}

/// How many bytes at the start of `text` spell `secret`, each byte plain, percent-encoded or behind
/// a backslash; 0: none. All spellings are followed side by side: "%25" may be "%", or itself.
std::size_t spelled_length(std::string_view text, std::string_view secret) {
  std::set<std::size_t> ends{0};
  for (const char c : secret) {
    std::set<std::size_t> next;
    for (const std::size_t end : ends) {
      const std::string_view rest = text.substr(end);
      if (rest.empty()) continue;
      if (rest[0] == c) next.insert(end + 1);
      if (is_encoded(rest, c)) next.insert(end + 3);
      if (rest.size() >= 2 && rest[0] == '\\' && rest[1] == c) next.insert(end + 2);
    }
    if (next.empty()) return 0;
    ends = std::move(next);
  }
  return *ends.rbegin();
}

std::string without_known(std::string_view text, const std::vector<std::string>& secrets) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t length = 0;
    for (const std::string& secret : secrets)
      length = std::max(length, spelled_length(text.substr(at), secret));
    if (length == 0) {
      out += text[at++];
      continue;
    }
    out += kMask;
    at += length;
  }
  return out;
}

/// End of the value that begins at `at`: the closing quote, or the next blank (too much is better
/// than too little).
std::size_t value_end(std::string_view text, std::size_t at) {
  if (at < text.size() && (text[at] == '\'' || text[at] == '"')) {
    for (std::size_t i = at + 1; i < text.size(); ++i) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == text[at])
        return i + 1;
    }
    return text.size();
  }
  return std::min(text.find_first_of(kBlanks, at), text.size());
}

/// password=..., PGPASSWORD = '...', "password": "..."
std::string without_assignments(std::string_view text) {
  const std::string lower = lower_case(text);
  std::string out;
  std::size_t copied = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::size_t end = at;
    for (const std::string_view word : {"password", "passwd", "pwd"})
      if (lower.compare(at, word.size(), word) == 0) end = at + word.size();
    if (end == at) continue;
    const bool json = end < text.size() && text[end] == '"';
    if (json) ++end;
    const std::size_t sign = std::min(text.find_first_not_of(kBlanks, end), text.size());
    if (sign == text.size() || text[sign] != (json ? ':' : '=')) continue;
    const std::size_t value = std::min(text.find_first_not_of(kBlanks, sign + 1), text.size());
    const std::size_t stop = value_end(text, value);
    if (stop == value) continue;
    out += text.substr(copied, value - copied);
    out += kMask;
    copied = stop;
    at = stop - 1;
  }
  out += text.substr(copied);
  return out;
}

/// Behind the next "://" at or after `from`, which a JSON pointer spells ":~1~1"; kNone: no more.
std::size_t authority_at(std::string_view text, std::size_t from) {
  std::size_t first = kNone;
  for (const std::string_view sign : {"://", ":~1~1"})
    if (const std::size_t at = text.find(sign, from); at != kNone)
      first = std::min(first, at + sign.size());
  return first;
}

/// ://user:secret@: up to the last '@' of the word, for the secret may hold one.
std::string without_user_info(std::string_view text) {
  std::string out;
  std::size_t copied = 0;
  for (std::size_t at = authority_at(text, 0); at != kNone; at = authority_at(text, at)) {
    const std::size_t word_end = std::min(text.find_first_of(kBlanks, at), text.size());
    const std::size_t last = text.substr(0, word_end).rfind('@');
    const std::size_t colon = text.find(':', at);
    if (last == kNone || last < at || colon >= last) continue;
    out += text.substr(copied, colon + 1 - copied);
    out += kMask;
    copied = last;
    at = last;
  }
  out += text.substr(copied);
  return out;
}

std::string without_patterns(std::string_view text) {
  return without_user_info(without_assignments(text));
}

}  // namespace

std::string redacted(std::string_view text, const Dsn& dsn) {
  std::vector<std::string> secrets;
  for (const auto& [keyword, value] : dsn.parameters)
    if (is_secret_keyword(keyword) && !value.empty()) secrets.push_back(value);
  return without_patterns(without_known(text, secrets));
}

std::string Dsn::parameter(std::string_view keyword) const {
  for (const auto& [name, value] : parameters)
    if (name == keyword) return value;
  return {};
}

std::string Dsn::shown() const {
  std::string out;
  if (const std::string service = parameter("service"); !service.empty()) {
    out = "service=" + service;
  } else {
    const std::string host = parameter("host");
    const std::string port = parameter("port");
    out = !host.empty() ? host : parameter("hostaddr");
    if (out.empty()) out = "local socket";
    if (out.find(':') != kNone && out.front() != '/') out = '[' + out + ']';
    if (!port.empty()) out += ':' + port;
    if (const std::string name = parameter("dbname"); !name.empty()) out += '/' + name;
  }
  if (const std::string user = parameter("user"); !user.empty()) out += " as " + user;
  return without_patterns(out);
}

std::string Dsn::without_secrets() const {
  std::string out;
  for (const auto& [keyword, value] : parameters) {
    if (is_secret_keyword(keyword)) continue;
    if (!out.empty()) out += ' ';
    out += keyword + "='";
    for (const char c : value) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    out += '\'';
  }
  return out;
}

}  // namespace lockstep::postgres
