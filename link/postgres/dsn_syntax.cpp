#include "link/postgres/dsn_syntax.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/error.hpp"

namespace lockstep::postgres {

namespace {

constexpr std::string_view kPostgresSchemes[] = {"postgresql", "postgres", "postgis", "pgsql"};
constexpr std::string_view kConninfoBlanks = " \t\r\n\f\v";
constexpr std::size_t kNowhere = std::string_view::npos;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text, std::string_view part) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0)
      throw_bad_dsn(fmt::format("a \"%\" in the {} is not followed by two hex digits", part),
                    kEncodeAdvice);
    if (high == 0 && low == 0) throw_bad_dsn(fmt::format("the {} contains %00", part), "remove it");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

/// The pieces of a URL after "://", still encoded.
struct UrlPieces {
  std::string_view user_info, hosts, path, query;
  bool has_user_info = false;
};

[[noreturn]] void throw_unescaped() {
  throw_bad_dsn(
      "the user name or the password contains \"@\", \"/\" or \"?\" and is not "
      "percent-encoded; libpq would connect to a wrong host",
      kEncodeAdvice);
}

/// libpq takes the first '@' for the end of the password if no '/' comes before it. That is a guess
/// when the text has a second reading, and a guess would connect to a host made of a piece of the
/// password.
UrlPieces cut_url(std::string_view rest) {
  UrlPieces pieces;
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, authority_end);
  std::string_view tail = rest.substr(authority_end);
  const auto ats = std::count(authority.begin(), authority.end(), '@');
  pieces.has_user_info = ats == 1;
  const std::size_t at = authority.find('@');
  if (pieces.has_user_info) pieces.user_info = authority.substr(0, at);
  pieces.hosts = pieces.has_user_info ? authority.substr(at + 1) : authority;
  const bool has_path = !tail.empty() && tail.front() == '/';
  if (has_path) {
    const std::size_t path_end = std::min(tail.find('?'), tail.size());
    pieces.path = tail.substr(1, path_end - 1);
    tail.remove_prefix(path_end);
  }
  if (!tail.empty()) pieces.query = tail.substr(1);
  const bool at_in_query = pieces.query.find('@') != kNowhere;
  if (ats > 1 || pieces.path.find('@') != kNowhere ||
      (at_in_query && (pieces.has_user_info || !has_path)))
    throw_unescaped();
  if (pieces.path.find('/') != kNowhere)
    throw_bad_dsn("the name of the database contains \"/\"", "write it as %2F, or correct the URL");
  return pieces;
}

void take_hosts(std::string_view text, std::vector<GivenParameter>& out) {
  std::string hosts, ports;
  bool any_port = false;
  for (bool first = true;; first = false) {
    const std::size_t comma = text.find(',');
    std::string_view one = text.substr(0, comma);
    std::string_view host = one.substr(0, one.find(':'));
    if (!one.empty() && one.front() == '[') {  // IPv6
      const std::size_t close = one.find(']');
      if (close == kNowhere) throw_bad_dsn("a \"[\" in the host has no \"]\"", kEncodeAdvice);
      host = one.substr(1, close - 1);
      one.remove_prefix(close + 1);
      if (!one.empty() && one.front() != ':')
        throw_bad_dsn("something follows the \"]\" of the host", kEncodeAdvice);
    }
    const std::size_t colon = one.find(':');
    if (!first) hosts += ',', ports += ',';
    hosts += percent_decoded(host, "host");
    if (colon != kNowhere) {
      ports += percent_decoded(one.substr(colon + 1), "port");
      any_port = true;
    }
    if (comma == kNowhere) break;
    text.remove_prefix(comma + 1);
  }
  if (!hosts.empty()) out.push_back({"host", hosts});
  if (any_port) out.push_back({"port", ports});
}

void take_query(std::string_view query, std::vector<GivenParameter>& out) {
  // A raw '@' means that the query may be the end of a password that was not encoded.
  bool may_be_named = query.find('@') == kNowhere;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = item.find('=');
    if (equals == kNowhere || equals == 0)
      throw_bad_dsn("a parameter after the \"?\" is not of the form name=value", kEncodeAdvice);
    if (item.find('=', equals + 1) != kNowhere && is_secret_keyword(item.substr(0, equals)))
      throw_bad_dsn("the password contains \"=\" and is not percent-encoded",
                    "write it as %3D, or use ~/.pgpass");
    const std::string_view value = item.substr(equals + 1);
    const std::size_t at = value.find('@');
    if (at != kNowhere && value.find('/', at) != kNowhere) throw_unescaped();
    GivenParameter given{percent_decoded(item.substr(0, equals), "name of a parameter"),
                         percent_decoded(value, "value of a parameter"), may_be_named};
    if (is_secret_keyword(given.name)) may_be_named = false;
    out.push_back(std::move(given));
  }
}

void check_scheme(std::string_view scheme, std::vector<std::string>& notes) {
  const std::string lower = lower_case(scheme);
  const std::size_t plus = lower.find('+');
  const std::string engine = lower.substr(0, plus);
  if (std::find(std::begin(kPostgresSchemes), std::end(kPostgresSchemes), engine) ==
      std::end(kPostgresSchemes))
    throw_bad_dsn("its scheme is not that of PostgreSQL",
                  "give a URL that begins with postgresql:// or postgres://");
  if (plus != kNowhere)
    notes.push_back(fmt::format("\"{}\" in the scheme names a driver of your ORM; it was dropped",
                                lower.substr(plus)));
  else if (engine != "postgresql" && engine != "postgres")
    notes.push_back(fmt::format("{}:// was read as postgresql://", engine));
}

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(kConninfoBlanks, at), text.size());
}

/// Reads a value of a conninfo text as libpq does: 'quoted' or up to a blank, with backslashes.
/// Moves `at` behind it.
std::string conninfo_value(std::string_view text, std::size_t& at) {
  std::string value;
  const bool in_quotes = at < text.size() && text[at] == '\'';
  if (in_quotes) ++at;
  for (; at < text.size(); ++at) {
    if (in_quotes && text[at] == '\'') {
      ++at;
      return value;
    }
    if (!in_quotes && kConninfoBlanks.find(text[at]) != kNowhere) return value;
    if (text[at] == '\\' && ++at == text.size()) break;
    value += text[at];
  }
  if (in_quotes)
    throw_bad_dsn("a value begins with ' and the closing ' is missing",
                  "close it; a ' inside a value is written \\'");
  return value;
}

}  // namespace

void throw_bad_dsn(std::string why, std::string_view todo) {
  throw Error({.code = "LS-C101",
               .exit = ExitCode::usage,
               .what = "the target connection string is not what it looks like",
               .why = std::move(why),
               .data = "nothing was touched",
               .todo = std::string(todo)});
}

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_plain_word(std::string_view text, std::size_t bytes_max) {
  return text.size() <= bytes_max && std::all_of(text.begin(), text.end(), [](char c) {
           return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-';
         });
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

bool is_secret_keyword(std::string_view keyword) {
  return keyword == "password" || keyword == "sslpassword";
}

bool is_url(std::string_view text) {
  const std::size_t colon = text.find("://");
  return colon != kNowhere && colon > 0 &&
         std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return is_letter_or_digit(c) || c == '+' || c == '_'; });
}

std::vector<GivenParameter> split_url(std::string_view text, std::vector<std::string>& notes) {
  const std::size_t colon = text.find("://");
  check_scheme(text.substr(0, colon), notes);
  const std::string_view rest = text.substr(colon + 3);
  if (std::any_of(rest.begin(), rest.end(),
                  [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; }))
    throw_bad_dsn("the URL contains a blank or a control character", kEncodeAdvice);
  const UrlPieces pieces = cut_url(rest);
  std::vector<GivenParameter> out;
  if (pieces.has_user_info) {
    const std::size_t split = pieces.user_info.find(':');
    if (const auto user = pieces.user_info.substr(0, split); !user.empty())
      out.push_back({"user", percent_decoded(user, "user name")});
    if (split != kNowhere)
      out.push_back({"password", percent_decoded(pieces.user_info.substr(split + 1), "password")});
  }
  take_hosts(pieces.hosts, out);
  if (!pieces.path.empty())
    out.push_back({"dbname", percent_decoded(pieces.path, "database name")});
  take_query(pieces.query, out);
  return out;
}

std::vector<GivenParameter> split_conninfo(std::string_view text) {
  std::vector<GivenParameter> out;
  bool may_be_named = true;
  for (std::size_t at = 0; at < text.size(); at = skip_blanks(text, at)) {
    const std::size_t name_end = text.find_first_of(" \t\r\n\f\v=", at);
    const std::size_t equals = name_end == kNowhere ? text.size() : skip_blanks(text, name_end);
    if (equals == text.size() || text[equals] != '=' || equals == at)
      throw_bad_dsn("it is neither a URL nor a list of key=value pairs",
                    "give a URL, postgresql://user@host/database, or key=value pairs; a value with "
                    "blanks needs quotes: 'like this'");
    const std::string name(text.substr(at, name_end - at));
    at = skip_blanks(text, equals + 1);
    out.push_back({name, conninfo_value(text, at), may_be_named});
    // A password with a blank that was not quoted goes on in what looks like the next key.
    if (is_secret_keyword(name)) may_be_named = false;
  }
  return out;
}

}  // namespace lockstep::postgres
