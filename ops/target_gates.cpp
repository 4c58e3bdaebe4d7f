#include "ops/target_gates.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>

#include "ops/file_check.hpp"
#include "ops/printable.hpp"
#include "ops/progress.hpp"
#include "switchover/sequences.hpp"

namespace lockstep::ops {

namespace {

using postgres::Connection;
using postgres::Result;
using switchover::Coordinator;

constexpr std::string_view kCutOff = "57014";  // statement_timeout

// Of each foreign key that was not proven by PostgreSQL itself: what counts its orphans. A NULL in
// it asks for no parent.
constexpr char kKeys[] = R"(
SELECT k.conname, c.relname, pg_catalog.format(
  'SELECT count(*) FROM %s AS c WHERE %s AND NOT EXISTS (SELECT FROM %s AS p WHERE %s)',
  k.conrelid::pg_catalog.regclass,
  (SELECT pg_catalog.string_agg(pg_catalog.format('c.%I IS NOT NULL', a.attname), ' AND ')
     FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)),
  k.confrelid::pg_catalog.regclass,
  (SELECT pg_catalog.string_agg(pg_catalog.format('p.%I = c.%I', q.attname, a.attname), ' AND ')
     FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) AS n(own, other)
     JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = n.own
     JOIN pg_catalog.pg_attribute AS q ON q.attrelid = k.confrelid AND q.attnum = n.other))
FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace AS s ON s.oid = c.relnamespace AND s.nspname = $2
JOIN lockstep.ledger_tables AS t ON t.name = c.relname AND t.migration = $1
WHERE k.contype = 'f' AND NOT k.convalidated ORDER BY c.relname, k.conname)";

// Of this database, and whether they are enabled. What a subscription brings into a table may be
// entered for the table or for its partitions.
constexpr char kSubscriptions[] = R"(
WITH ours AS (
  SELECT t.name, c.oid FROM lockstep.ledger_tables AS t
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = $2
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.name
  WHERE t.migration = $1),
places AS (
  SELECT name, oid FROM ours
  UNION SELECT o.name, p.relid FROM ours AS o, pg_catalog.pg_partition_tree(o.oid) AS p)
SELECT s.subname, s.subenabled, pg_catalog.string_agg(DISTINCT p.name, ', ' ORDER BY p.name)
FROM pg_catalog.pg_subscription AS s
JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid AND d.datname = pg_catalog.current_database()
JOIN pg_catalog.pg_subscription_rel AS r ON r.srsubid = s.oid
JOIN places AS p ON p.oid = r.srrelid
GROUP BY s.subname, s.subenabled ORDER BY s.subname)";

/// How many; below 0: it took too long.
std::int64_t count_orphans(Connection& target, const std::string& sql) {
  target.exec("BEGIN READ ONLY; SET LOCAL statement_timeout = '10s'");
  try {
    const std::int64_t rows = target.exec(sql).integer(0, 0);
    target.abort();
    return rows;
  } catch (const Error& error) {
    target.abort();
    if (error.foreign() != kCutOff) throw;
    return -1;
  }
}

}  // namespace

Gate orphans_gate(Coordinator& coordinator, bool accepted) {
  Connection& target = coordinator.postgres();
  const Result keys =
      target.query(kKeys, {coordinator.place().migration, coordinator.place().schema});
  std::vector<std::string> found;
  for (int row = 0; row < keys.rows(); ++row) {
    const std::int64_t rows = count_orphans(target, std::string(keys.value(row, 2)));
    if (rows != 0)
      found.push_back(fmt::format("{}: {} rows ({})", keys.value(row, 1),
                                  rows < 0 ? std::string("not counted within 10 s") : grouped(rows),
                                  keys.value(row, 0)));
  }
  Gate gate{"orphans", found.empty(),
            found.empty() ? std::string("none") : fmt::format("{}", fmt::join(found, "; ")),
            "none: PostgreSQL would refuse to write such rows again",
            "give them a parent or delete them, in SQLite; or --accept-orphans"};
  gate.waived = !gate.open && accepted;
  return gate;
}

Gate foreign_keys_gate(Coordinator& coordinator) {
  Connection& target = coordinator.postgres();
  const std::string& migration = coordinator.place().migration;
  const std::int64_t not_valid =
      target
          .query("SELECT count(*) FROM (" + std::string(kKeys) + ") AS k",
                 {migration, coordinator.place().schema})
          .integer(0, 0);
  std::int64_t waiting = 0;
  if (!target.exec("SELECT to_regclass('lockstep.ledger_foreign_keys')").is_null(0, 0))
    waiting = target
                  .query("SELECT count(*) FROM lockstep.ledger_foreign_keys WHERE migration = $1",
                         {migration})
                  .integer(0, 0);
  return {"foreign keys", true,
          waiting == 0
              ? fmt::format("{} not valid", not_valid)
              : fmt::format("{} not valid; {} are not made before lockstep complete or remove, and "
                            "PostgreSQL does not enforce them until then (LS-T232)",
                            not_valid, waiting),
          "", ""};
}

Gate sequences_gate(Coordinator& coordinator, const std::vector<TablePlan>& plans) {
  Connection& target = coordinator.postgres();
  const std::string& schema = coordinator.place().schema;
  const auto numbered = switchover::numbered_tables(target, schema, plans);
  std::vector<std::string> problems, slow;
  for (const switchover::Numbered& each : numbered) {
    const std::string where = fmt::format("{}.{}", each.table, each.name);
    const Result row = target.query(
        fmt::format("SELECT pg_catalog.has_sequence_privilege(s.seqrelid, 'UPDATE') AND "
                    "pg_catalog.has_sequence_privilege(s.seqrelid, 'USAGE, SELECT'), "
                    "coalesce((SELECT max({}) FROM {}), 0) >= s.seqmax, s.seqmax FROM "
                    "pg_catalog.pg_sequence AS s WHERE s.seqrelid = $1::oid",
                    each.column, each.target),
        {each.oid});
    if (row.rows() == 0) continue;
    if (!row.boolean(0, 0))
      problems.push_back(fmt::format("{}: GRANT USAGE, UPDATE ON SEQUENCE {} to lockstep's role",
                                     where, each.sequence));
    else if (row.boolean(0, 1))
      problems.push_back(fmt::format("{}: {} ends at {}, which a number has reached", where,
                                     each.sequence, row.value(0, 2)));
    else if (each.is_slow())
      slow.push_back(where);
  }
  for (const switchover::Numbered& each : switchover::unset_sequences(target, schema, plans)) {
    const std::string what =
        fmt::format("{}.{}: lockstep cannot set {} ({})", each.table, each.name,
                    each.oid.empty() ? std::string("its sequence") : each.sequence, each.obstacle);
    if (each.oid.empty())
      problems.push_back(what + "; ALTER .. SET DEFAULT nextval('..'::regclass)");
    else if (target
                 .query("SELECT last_value IS NULL FROM pg_catalog.pg_sequences WHERE "
                        "pg_catalog.format('%I.%I', schemaname, sequencename) = $1",
                        {each.sequence})
                 .boolean(0, 0))
      problems.push_back(what +
                         "; setval() it behind the last number that is taken, and let "
                         "lockstep's role SELECT it");
  }
  std::string good = fmt::format("{} will be set", numbered.size());
  if (!slow.empty())
    good += fmt::format("; once more behind the switch, for want of an index: {}",
                        fmt::join(slow, ", "));
  return {"sequences", problems.empty(),
          problems.empty() ? good : fmt::format("{}", fmt::join(problems, "; ")),
          "can be set, and have numbers left",
          "as it says; ALTER SEQUENCE .. AS bigint MAXVALUE .. where one has ended"};
}

// reset_val is what the role gets by itself: our own sessions set synchronous_commit.
Gate durability_gate(Coordinator& coordinator, bool accepted) {
  const Result rows = coordinator.postgres().exec(
      "SELECT name FROM pg_catalog.pg_settings WHERE name IN ('fsync', 'full_page_writes', "
      "'synchronous_commit') AND reset_val = 'off' ORDER BY name");
  std::vector<std::string> off;
  for (int row = 0; row < rows.rows(); ++row)
    off.push_back(fmt::format("{}=off", rows.value(row, 0)));
  Gate gate{"durability", off.empty(),
            off.empty() ? std::string("the server keeps what it acknowledges")
                        : fmt::format("{}", fmt::join(off, ", ")),
            "fsync, full_page_writes and synchronous_commit are on",
            "ALTER SYSTEM RESET .., and reload; or --accept-unsafe-server: what the server has "
            "acknowledged may be lost, or the database damaged, when it or its machine crashes"};
  gate.waived = !gate.open && accepted;
  return gate;
}

std::vector<Gate> subscriptions_gate(Coordinator& coordinator, switchover::Direction direction) {
  const Result rows = coordinator.postgres().query(
      kSubscriptions, {coordinator.place().migration, coordinator.place().schema});
  if (rows.rows() == 0) return {};
  bool enabled = false;
  std::vector<std::string> found;
  found.reserve(static_cast<std::size_t>(rows.rows()) + 1);
  for (int row = 0; row < rows.rows(); ++row) {
    enabled = enabled || rows.boolean(row, 1);
    found.push_back(fmt::format("{} writes to {}{}", rows.value(row, 0), rows.value(row, 2),
                                rows.boolean(row, 1) ? "" : " (disabled)"));
  }
  const bool back = direction == switchover::Direction::reverse;
  if (back) found.emplace_back("behind the rollback the fence refuses what they bring");
  return {{"subscriptions", back || !enabled, fmt::format("{}", fmt::join(found, "; ")),
           back ? "" : "none is enabled: SQLite has not what they bring",
           "ALTER SUBSCRIPTION .. DISABLE until the cutover is done, then lockstep verify --repair "
           "SOURCE TARGET"}};
}

// A read transaction as long as the check: the -wal grows meanwhile; with a rollback journal
// writers wait, so there only what takes an instant.
std::vector<Gate> file_gate(Coordinator& coordinator, LookIntoFile look) {
  if (look == LookIntoFile::no) return {};
  constexpr std::int64_t kMiB = std::int64_t{1} << 20, kSwitchMax = 256 * kMiB,
                         kDryRunMax = 4'096 * kMiB, kJournalMax = 16 * kMiB;
  sqlite::Database file =
      sqlite::Database::open(coordinator.place().path, sqlite::OpenMode::read_only);
  const std::int64_t bytes = file.pragma_int("page_count") * file.pragma_int("page_size");
  const bool wal = file.in_wal_mode();
  const bool dry_run = look == LookIntoFile::yes;
  const std::int64_t most = !wal ? kJournalMax : dry_run ? kDryRunMax : kSwitchMax;
  const char* todo = "PRAGMA integrity_check names what is damaged; repair it first";
  if (bytes > most)
    return {{"quick_check", true,
             fmt::format("not looked into: {} MiB; {}", bytes / kMiB,
                         wal && bytes <= kDryRunMax
                             ? "--dry-run does"
                             : "PRAGMA quick_check on a copy, or at a quiet moment"),
             "", ""}};
  const FileCheck check = quick_check(file);
  return {{"quick_check", check.ok(),
           printable(check.ok() && !check.left_out.empty()
                         ? "ok, but not looked into, for want of what only the application has: " +
                               check.left_out
                         : check.found),
           "ok", todo}};
}

}  // namespace lockstep::ops
