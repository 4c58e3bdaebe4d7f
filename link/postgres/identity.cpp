#include "link/postgres/identity.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace lockstep::postgres {

std::optional<TargetIdentity> read_identity(Connection& connection) {
  constexpr std::array kNotTold{"42501", "42883", "0A000"};  // no privilege, function, or support
  try {
    const Result row = connection.exec(
        "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system())::text, (SELECT "
        "oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())::text, "
        "pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)");
    TargetIdentity identity{std::string(row.value(0, 0)), std::string(row.value(0, 1))};
    const std::string_view hex = row.value(0, 2);
    const auto parsed = std::from_chars(hex.data(), hex.data() + hex.size(), identity.timeline, 16);
    check(parsed.ec == std::errc{}, "the first eight digits of a WAL file's name are its timeline");
    return identity;
  } catch (const Error& error) {
    for (const char* state : kNotTold)
      if (error.foreign() == state) return std::nullopt;
    throw;
  }
}

std::vector<std::string> unsafe_settings(Connection& connection) {
  const Result rows = connection.exec(
      "SELECT name || '=off' FROM pg_catalog.pg_settings WHERE name IN ('fsync', "
      "'full_page_writes') AND setting = 'off' ORDER BY 1");
  std::vector<std::string> settings;
  for (int row = 0; row < rows.rows(); ++row) settings.emplace_back(rows.value(row, 0));
  return settings;
}

}  // namespace lockstep::postgres
