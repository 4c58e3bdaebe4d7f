#include "switchover/reverse_probe.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "link/postgres/copy.hpp"
#include "link/postgres/names.hpp"
#include "link/sqlite/replica.hpp"
#include "link/sqlite/statement.hpp"
#include "switchover/reverse_columns.hpp"
#include "switchover/reverse_log.hpp"
#include "switchover/reverse_rows.hpp"
#include "switchover/sqlite_writer.hpp"
#include "switchover/turn.hpp"

namespace lockstep::switchover {

namespace {

using postgres::Connection;

constexpr char kScratch[] = "_lockstep_probe";
constexpr int kRows = 3;              // of each table
constexpr int kLookedAt = 50;         // rows that may be too large to be tried
constexpr int kBytesMax = 1'000'000;  // of a row
constexpr std::size_t kProblemsMax = 5;
constexpr std::size_t kTablesAtOnce = 20;  // while SQLite's writers wait: a few milliseconds
// In a transaction on PostgreSQL: a session keeps the plans of every trigger function it has run,
// and looks through all of them for each table that comes or goes.
constexpr std::size_t kTablesAtOnceOnPostgres = 50;

using Row = std::vector<std::optional<std::string>>;

struct Tried {
  const TablePlan* plan = nullptr;
  std::vector<Row> rows;
};

/// The table of ours that is like it.
TablePlan scratch_of(const TablePlan& plan) {
  TablePlan scratch = plan;
  scratch.shape.name = fmt::format("{}_{}", kScratch, plan.id);
  scratch.rules.rename = kScratch;
  return scratch;
}

// Sizes as they are stored: nothing is fetched to know them.
std::string small_rows_sql(const std::string& table, const TablePlan& plan) {
  std::vector<std::string> sizes;
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    sizes.push_back(
        fmt::format("coalesce(pg_column_size(t.{}), 0)", postgres::quoted(plan.target_column(i))));
  return fmt::format("SELECT * FROM (SELECT * FROM {} LIMIT {}) AS t WHERE {} < {} LIMIT {}", table,
                     kLookedAt, fmt::join(sizes, " + "), kBytesMax, kRows);
}

std::vector<Row> read_rows(Connection& connection, const std::string& sql) {
  std::vector<Row> rows;
  postgres::CopyOut copy(connection, sql);
  std::vector<Field> fields;
  while (copy.next(fields)) {
    Row& row = rows.emplace_back();
    for (const Field& field : fields)
      row.push_back(field ? std::optional<std::string>(*field) : std::nullopt);
  }
  return rows;
}

// In the caller's transaction, behind a savepoint.
std::vector<Row> through_postgres(Connection& connection, const std::string& migration,
                                  const std::string& schema, const TablePlan& plan) {
  const TablePlan scratch = scratch_of(plan);
  const std::string ours(postgres::kControlSchema), probe = "probe of " + migration;
  const std::string table = postgres::qualified(ours, kScratch);
  const std::string real = postgres::qualified(schema, plan.target_name());
  const std::string key = postgres::quoted(plan.target_column(plan.shape.key.front()));
  // LIKE keeps types, collations and NOT NULL. An update of each row is logged like any other.
  connection.exec(fmt::format(
      "CREATE TABLE {} (LIKE {}); {}; INSERT INTO {} {}; UPDATE {} SET {} = {}", table, real,
      reverse_log_sql(probe, ours, scratch), table, small_rows_sql(real, plan), table, key, key));
  std::vector<Row> rows =
      read_rows(connection,
                touched_rows_sql(probe, ours, scratch, key_collations(connection, ours, scratch)));
  const auto count = static_cast<std::int64_t>(rows.size());
  const postgres::Result logged = connection.query(
      fmt::format("WITH gone AS (DELETE FROM {} RETURNING 1) SELECT count(*) FROM gone", table),
      {});
  connection.exec(fmt::format("TRUNCATE {}", table));
  const postgres::Result log = connection.query(
      "SELECT count(key), count(*) FROM lockstep.changes WHERE migration = $1", {probe});
  if (logged.integer(0, 0) != count || log.integer(0, 0) != 3 * count ||
      log.integer(0, 1) != 3 * count + 1)
    throw Error({.code = "LS-X614",
                 .what = "the triggers that log for the way back do not log what is written",
                 .why = fmt::format("{} rows were written, changed and deleted; {} keys were "
                                    "logged, and {} rows found by them",
                                    logged.integer(0, 0), log.integer(0, 0), count)});
  return rows;
}

// INTEGER, but for the rowid itself: PRIMARY KEY of a single one of these would be the rowid.
std::string type_of(const Column& column) {
  switch (column.affinity) {
    case Affinity::integer:
      return "INT";
    case Affinity::real:
      return "REAL";
    case Affinity::numeric:
      return "NUMERIC";
    case Affinity::text:
      return "TEXT";
    case Affinity::blob:
      return "";
  }
  return "";
}

// Affinities decide what a value becomes, whatever the declared type is called.
std::string scratch_sql(const TableShape& shape) {
  std::vector<std::string> parts, keys;
  for (std::size_t i = 0; i < shape.columns.size(); ++i) {
    const Column& column = shape.columns[i];
    if (column.generated != Generated::no || column.is_rowid) continue;
    parts.push_back(fmt::format(
        "{} {} COLLATE {}{}{}", sqlite::quoted(column.name),
        shape.rowid_alias == i ? "INTEGER" : type_of(column), sqlite::quoted(column.collation),
        column.not_null ? " NOT NULL" : "", shape.rowid_alias == i ? " PRIMARY KEY" : ""));
  }
  for (const std::size_t column : shape.key)
    keys.push_back(sqlite::quoted(shape.columns[column].name));
  if (!shape.rowid_alias && !shape.keyed_by_rowid)
    parts.push_back(fmt::format("PRIMARY KEY ({})", fmt::join(keys, ", ")));
  return fmt::format("CREATE TABLE main.{} ({}){}", shape.name, fmt::join(parts, ", "),
                     shape.without_rowid ? " WITHOUT ROWID" : "");
}

// In the caller's transaction.
std::int64_t into_sqlite(sqlite::Database& writing, const Tried& tried) {
  const TablePlan scratch = scratch_of(*tried.plan);
  const std::size_t keys = scratch.shape.key.size();
  writing.exec(scratch_sql(scratch.shape));
  SqliteWriter writer(writing, scratch);
  const auto each = [&](bool there) {
    writer.begin(SqliteWriter::Pass::upsert);
    for (const Row& row : tried.rows) {
      std::vector<Field> fields(row.begin(), row.end());
      const Fields all(fields);
      writer.touched(all.subspan(1, keys), there ? all.subspan(1 + keys) : Fields());
    }
  };
  each(true);
  const std::int64_t written = writer.written();
  each(false);  // and as rows that PostgreSQL has no more
  if (written == static_cast<std::int64_t>(tried.rows.size()) && writer.written() == 2 * written)
    return written;
  throw Error({.code = "LS-X606",
               .what = "rows that were written into SQLite are not found by their keys there",
               .why = fmt::format("{} rows, {} written, {} found again", tried.rows.size(), written,
                                  writer.written() - written)});
}

/// One probe on its way: problems come together, and end it when there are enough of them.
class Probing {
 public:
  void failed(const std::string& where, const Error& error) {
    probe_.problems.push_back(fmt::format(
        "{}: {}", where, error.facts().why.empty() ? error.facts().what : error.facts().why));
  }
  void say(std::vector<std::string> sentences) {
    for (std::string& sentence : sentences) probe_.problems.push_back(std::move(sentence));
  }

  void read(Connection& connection, const std::string& migration, const std::string& schema,
            std::span<const TablePlan> plans) {
    while (!plans.empty() && !enough()) {
      const auto some = plans.first(std::min(kTablesAtOnceOnPostgres, plans.size()));
      if (!read_some(connection, migration, schema, some)) return;
      plans = plans.subspan(some.size());
    }
  }

  // The tables themselves: what a scratch table does not have, above all indexes that need a
  // function or a collation of the application. Nothing is run.
  void prepare(sqlite::Database& writing, const std::vector<TablePlan>& plans) {
    sqlite::become_replica_writer(writing);
    for (const TablePlan& plan : plans) {
      if (enough()) return;
      try {
        const SqliteWriter writer(writing, plan);
      } catch (const Error& error) {
        if (error.code() != "LS-X606") throw;
        failed(plan.name(), error);
      }
    }
  }

  // Behind prepare().
  void write(sqlite::Database& writing) {
    for (std::size_t from = 0; from < tried_.size() && !enough(); from += kTablesAtOnce) {
      // A schema that was rolled back is read anew: not while writers wait.
      sqlite::Statement(writing, "SELECT 1 FROM main._lockstep_meta");
      // Ends with ROLLBACK, whatever happens.
      const sqlite::Transaction transaction(writing, sqlite::Transaction::Mode::immediate);
      for (std::size_t i = from; i < std::min(from + kTablesAtOnce, tried_.size()); ++i)
        write_one(writing, tried_[i]);
    }
  }

  [[nodiscard]] ReverseProbe result() { return std::move(probe_); }

 private:
  /// False: nothing can be tried there.
  bool read_some(Connection& connection, const std::string& migration, const std::string& schema,
                 std::span<const TablePlan> plans) {
    const Turn turn(connection, migration);  // outlives the transaction, which may fail
    try {
      connection.exec(
          fmt::format("DISCARD PLANS; BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL "
                      "statement_timeout = '10s'; SET LOCAL lockstep.applier = off; {}",
                      reverse_log_table_sql()));
      for (const TablePlan& plan : plans) {
        if (enough()) break;
        connection.exec("SAVEPOINT probe");
        try {
          std::vector<Row> rows = through_postgres(connection, migration, schema, plan);
          if (!rows.empty()) tried_.push_back({&plan, std::move(rows)});
        } catch (const Error& error) {
          if (!connection.alive()) throw;
          failed(plan.name(), error);
        }
        connection.exec("ROLLBACK TO probe; RELEASE probe");
      }
    } catch (const Error& error) {
      if (!connection.alive()) throw;
      failed("schema lockstep", error);
      connection.abort();
      return false;
    }
    connection.abort();
    return true;
  }

  void write_one(sqlite::Database& writing, const Tried& tried) {
    try {
      probe_.rows += into_sqlite(writing, tried);
      ++probe_.tables;
    } catch (const Error& error) {
      if (error.code() != "LS-X606") throw;
      failed(tried.plan->name(), error);
    }
  }

  [[nodiscard]] bool enough() const { return probe_.problems.size() >= kProblemsMax; }
  ReverseProbe probe_;
  std::vector<Tried> tried_;
};

}  // namespace

ReverseProbe probe_reverse_path(Connection& connection, sqlite::Database& writing,
                                const std::string& migration, const std::string& schema,
                                const std::vector<TablePlan>& plans) {
  std::vector<const TablePlan*> all;
  for (const TablePlan& plan : plans) all.push_back(&plan);
  Probing probing;
  probing.say(sentences(column_changes(connection, schema, all)));
  probing.say(cannot_log(connection, migration, schema, plans));
  probing.read(connection, migration, schema, plans);
  probing.prepare(writing, plans);
  probing.write(writing);
  return probing.result();
}

}  // namespace lockstep::switchover
