#include "ops/environment.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <filesystem>

#include "capture/install.hpp"
#include "link/postgres/identity.hpp"
#include "link/sqlite/filesystem.hpp"
#include "link/sqlite/statement.hpp"
#include "ops/refusals.hpp"

namespace lockstep::ops {

namespace {

constexpr std::int64_t kFreeEnough = std::int64_t{2} << 30;  // where lockstep begins to warn

Check good(std::string what) {
  return {.what = std::move(what)};
}

Check warn(std::string code, std::string what, std::string todo) {
  return {false, Severity::warning, std::move(code), std::move(what), std::move(todo)};
}

Check room_on_source(const std::string& path) {
  const auto free = sqlite::free_bytes(path);
  if (!free) return good("the free room on its disk cannot be seen");
  const std::string what =
      fmt::format("{} free on its disk",
                  readable_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(*free, 0))));
  if (*free >= kFreeEnough) return good(what);
  return warn("LS-S308", what,
              "changes wait in the file while the target is away; below 512 MiB lockstep gives up");
}

Check journal_mode(sqlite::Database& database) {
  const std::string mode = database.pragma_text("journal_mode");
  if (mode == "wal")
    return good("journal mode wal: readers and writers do not wait for each other");
  return good(fmt::format(
      "journal mode {}: works; lockstep's short reads and the application's writes take turns",
      mode));
}

Check already_followed(sqlite::Database& database) {
  const auto installed = capture::read_installed(database);
  if (!installed) return good("no lockstep triggers in it yet");
  return good(fmt::format("followed already by migration {}", installed->migration));
}

Check rights_on_target(postgres::Connection& connection, const std::string& schema) {
  const postgres::Result rights = connection.query(
      "SELECT has_database_privilege(current_database(), 'CREATE'), EXISTS(SELECT 1 FROM "
      "pg_namespace WHERE nspname = 'lockstep'), (SELECT has_schema_privilege(oid, 'CREATE') FROM "
      "pg_namespace WHERE nspname = $1), current_user",
      {schema});
  const std::string role(rights.value(0, 3));
  std::vector<std::string> missing;
  if (rights.is_null(0, 2))
    missing.push_back(fmt::format("schema {} is not there", schema));
  else if (!rights.boolean(0, 2))
    missing.push_back(fmt::format("CREATE on schema {}", schema));
  if (!rights.boolean(0, 0) && !rights.boolean(0, 1))
    missing.emplace_back("CREATE on the database, for schema lockstep");
  if (missing.empty()) return good(fmt::format("{} may create what is needed", role));
  return {false, Severity::blocker, "LS-T204",
          fmt::format("{} lacks: {}", role, fmt::join(missing, "; ")),
          "lockstep roles prints the SQL that grants just what is needed"};
}

Check connections_of(postgres::Connection& connection) {
  constexpr std::int64_t kOurs = 4;  // one that applies, two that copy, one for a person
  const postgres::Result row = connection.query(
      "SELECT current_setting('max_connections')::int8, (SELECT count(*) FROM pg_stat_activity "
      "WHERE backend_type = 'client backend')",
      {});
  const std::int64_t most = row.integer(0, 0), used = row.integer(0, 1);
  const std::string what =
      fmt::format("connections: {} of {} in use; lockstep takes up to {}", used, most, kOurs);
  if (most - used > kOurs) return good(what);
  return warn("LS-T209", what, "leave some free, or raise max_connections");
}

// Only where the server is on this host and lets itself be seen.
std::optional<std::int64_t> room_on_target(postgres::Connection& connection) {
  const std::string host = connection.dsn().parameter("host");
  if (!host.empty() && host.front() != '/') return std::nullopt;
  const postgres::Result folder = connection.query(
      "SELECT CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') THEN "
      "current_setting('data_directory') END",
      {});
  if (folder.is_null(0, 0)) return std::nullopt;
  std::error_code hidden;
  const auto space = std::filesystem::space(std::string(folder.value(0, 0)), hidden);
  if (hidden) return std::nullopt;
  return static_cast<std::int64_t>(space.available);
}

}  // namespace

std::string readable_bytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double number = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (number >= 1024 && unit + 1 < std::size(kUnits)) {
    number /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", number, kUnits[unit]);
}

Check failed_check(const ErrorFacts& facts) {
  return {false, Severity::blocker, facts.code,
          facts.why.empty() ? facts.what : facts.what + ": " + facts.why, facts.todo};
}

std::vector<Check> check_source(sqlite::Database& database) {
  const std::string& path = database.path();
  sqlite::Statement version(database, "SELECT sqlite_version()");
  check(version.step(), "SELECT of a constant has a row");
  std::vector<Check> checks;
  checks.push_back(good(fmt::format(
      "{} of pages of {} bytes, {}; read with SQLite {}",
      readable_bytes(static_cast<std::uint64_t>(database.pragma_int("page_count") *
                                                database.pragma_int("page_size"))),
      database.pragma_int("page_size"), database.pragma_text("encoding"), version.text(0))));
  checks.push_back(good(fmt::format("running as its owner, or as root (uid {})", ::geteuid())));
  checks.push_back(journal_mode(database));
  const sqlite::Filesystem files = sqlite::require_local(path);
  if (files.kind == sqlite::FilesystemKind::local)
    checks.push_back(good("on a local file system"));
  else
    checks.push_back(warn("LS-S314",
                          fmt::format("on {}: nobody can tell what is behind it", files.name),
                          "only if no other host opens the file"));
  checks.push_back(room_on_source(path));
  if (::access(std::filesystem::absolute(path).parent_path().c_str(), W_OK) != 0 ||
      ::access(path.c_str(), W_OK) != 0)
    checks.push_back({false, Severity::blocker, "LS-S303",
                      "the file or its folder is not writable for this user",
                      "triggers have to be installed: grant it"});
  checks.push_back(already_followed(database));
  return checks;
}

std::vector<Check> check_target(postgres::Connection& connection, const std::string& schema,
                                const std::vector<TablePlan>& plans) {
  std::vector<Check> checks;
  checks.push_back(
      good(fmt::format("PostgreSQL {}.{}, UTF8, {}", connection.server_version() / 10000,
                       connection.server_version() % 10000, connection.dsn().shown())));
  checks.push_back(rights_on_target(connection, schema));
  checks.push_back(connections_of(connection));
  if (const auto free = room_on_target(connection))
    checks.push_back(good(
        fmt::format("{} free on its disk", readable_bytes(static_cast<std::uint64_t>(*free)))));
  else
    checks.push_back(good("its disk cannot be seen from here"));
  if (const auto settings = postgres::unsafe_settings(connection); !settings.empty())
    checks.push_back(warn("LS-T216", fmt::format("the server has {}", fmt::join(settings, ", ")),
                          "a crash of its machine can lose what was applied"));
  try {
    refuse_taken_names(connection, schema, plans);
    checks.push_back(good(fmt::format("schema {} has none of the names that are needed", schema)));
  } catch (const Error& error) {
    checks.push_back(failed_check(error.facts()));
  }
  return checks;
}

}  // namespace lockstep::ops
