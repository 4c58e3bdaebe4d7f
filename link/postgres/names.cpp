#include "link/postgres/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "link/postgres/encode.hpp"
#include "model/error.hpp"

namespace lockstep::postgres {

namespace {

constexpr std::array<std::string_view, 6> kSystemColumns = {"tableoid", "xmin", "cmin",
                                                            "xmax",     "cmax", "ctid"};

bool has_nul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

std::string doubled(std::string_view text, char quote) {
  std::string out;
  out.reserve(text.size() + 2);
  for (const char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out;
}

/// For messages only: NUL and bad bytes must not reach a terminal or a log.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code >= 0x7f)
      out += fmt::format("\\x{:02x}", code);
    else
      out += c;
  }
  return out;
}

/// FNV-1a: a schema's name may be as long as a table's.
std::uint64_t hash_of(std::string_view schema) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : schema) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

[[noreturn]] void throw_bad_name(std::string what, std::string why) {
  throw Error({.code = "LS-D420",
               .exit = ExitCode::precondition,
               .what = std::move(what),
               .why = std::move(why),
               .data = "nothing was changed",
               .todo = "rename it in SQLite, or leave the table out"});
}

}  // namespace

std::string relation_name_problem(std::string_view name) {
  if (name.empty()) return "the name is empty";
  if (has_nul(name)) return "the name contains a NUL character";
  if (name.size() > kNameBytesMax)
    return fmt::format("the name has {} bytes, PostgreSQL would cut it at {}", name.size(),
                       kNameBytesMax);
  if (!valid_utf8(name)) return "the name is not valid UTF-8";
  return {};
}

std::string column_name_problem(std::string_view name) {
  if (std::find(kSystemColumns.begin(), kSystemColumns.end(), name) != kSystemColumns.end())
    return fmt::format("\"{}\" is the name of a system column that every PostgreSQL table has",
                       name);
  return relation_name_problem(name);
}

std::string quoted(std::string_view name) {
  if (std::string problem = relation_name_problem(name); !problem.empty())
    throw_bad_name(fmt::format("\"{}\" cannot be a name on PostgreSQL", printable(name)),
                   std::move(problem));
  return '"' + doubled(name, '"') + '"';
}

std::string qualified(std::string_view schema, std::string_view name) {
  return postgres::quoted(schema) + '.' + postgres::quoted(name);
}

std::string copy_table(std::string_view schema, std::uint32_t table) {
  return qualified(kControlSchema, fmt::format("copy_{:016x}_{}", hash_of(schema), table));
}

std::string guard_function(std::string_view schema) {
  return qualified(kControlSchema, fmt::format("guard_{:016x}", hash_of(schema)));
}

std::string log_function(std::string_view schema, std::uint32_t table) {
  return qualified(kControlSchema, fmt::format("log_{:016x}_{}", hash_of(schema), table));
}

std::string literal(std::string_view text) {
  if (has_nul(text))
    throw_bad_name("a text cannot be written into a statement", "it contains a NUL character");
  if (text.find('\\') == std::string_view::npos) return '\'' + doubled(text, '\'') + '\'';
  return "E'" + doubled(doubled(text, '\''), '\\') + '\'';
}

std::string text_array(const std::vector<std::string>& texts) {
  std::string array = "{";
  for (const std::string& text : texts) {
    if (array.size() > 1) array += ',';
    array += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') array += '\\';
      array += c;
    }
    array += '"';
  }
  return array += '}';
}

}  // namespace lockstep::postgres
