#include "ops/names.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <utility>

#include "model/error.hpp"

namespace lockstep::ops {

std::string source_path(std::string_view text) {
  if (looks_like_target(text))  // its password goes into no message
    throw Error({.code = "LS-C105",
                 .exit = ExitCode::usage,
                 .what = "a connection string stands where SOURCE belongs",
                 .why = "SOURCE is the SQLite file, TARGET the PostgreSQL database",
                 .data = "nothing was touched",
                 .todo = "lockstep COMMAND SOURCE TARGET, in this order"});
  std::string_view path = text;
  bool url = false;
  if (const std::size_t at = text.find("://");
      at != std::string_view::npos && text.starts_with("sqlite")) {
    // Three slashes start a relative path, four an absolute one.
    path = text.substr(at + 3);
    if (path.starts_with('/')) path.remove_prefix(1);
    url = true;
  } else {
    for (const std::string_view scheme : {"file:", "sqlite3:", "sqlite:"}) {
      if (!text.starts_with(scheme)) continue;
      path = text.substr(scheme.size());
      url = true;
      break;
    }
  }
  if (url) path = path.substr(0, path.find('?'));
  return std::string(path);
}

bool looks_like_target(std::string_view text) {
  for (const std::string_view scheme :
       {"postgres:", "postgresql:", "postgres+", "postgresql+", "postgis:"})
    if (text.starts_with(scheme)) return true;
  for (const std::string_view scheme : {"file:", "sqlite:", "sqlite3:", "sqlite+"})
    if (text.starts_with(scheme)) return false;  // ?mode=ro is of the file
  return text.find('=') != std::string_view::npos && !std::filesystem::exists(text);
}

std::string migration_name(const std::string& path) {
  return std::filesystem::path(path).stem().string();
}

std::vector<std::string> split_globs(std::string_view text) {
  std::vector<std::string> globs;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) globs.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return globs;
}

bool matches_any(const std::string& name, const std::vector<std::string>& globs) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
    return glob == name || ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
  });
}

std::string_view left_alone(const std::string& table, const std::vector<std::string>& asked_for) {
  if (std::find(asked_for.begin(), asked_for.end(), table) != asked_for.end()) return {};
  if (matches_any(table, {"_litestream_*"})) return "Litestream's own table";
  // Its SERIAL ids count nothing on SQLite: they are NULL, which PostgreSQL takes in no key.
  if (table == "__drizzle_migrations")
    return "Drizzle's own table; on PostgreSQL Drizzle keeps it in a schema of its own, drizzle";
  return {};
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kHarmless =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,";
  if (!text.empty() && text.find_first_not_of(kHarmless) == std::string_view::npos)
    return std::string(text);
  if (text.find_first_of("\"$`\\!") == std::string_view::npos) return '"' + std::string(text) + '"';
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::optional<Milliseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> kUnits{
      {{"ms", 1}, {"s", 1'000}, {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}, {"", 1'000}}};
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  constexpr std::int64_t kNumberMax = 1'000'000'000;
  if (error != std::errc{} || number < 0 || number > kNumberMax) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [name, milliseconds] : kUnits)
    if (name == unit) return Milliseconds{number * milliseconds};
  return std::nullopt;
}

}  // namespace lockstep::ops
